"""Which candidates compete, which one challenges, and whether it may replace the champion.

In:    settings, `candidates/<name>/<window>/<placement>/`, `serving.champions` before tonight.
Out:   plan.json, `serving.{candidate_metrics,rule_prices,gate_decisions,champions}`, gate/.
Grain: one decision per `as_of` and placement; one row per rule and subject it looked at.
Fails when: a placement without a champion has nobody to score, or no candidate was evaluated.
"""

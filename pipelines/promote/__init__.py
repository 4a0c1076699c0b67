"""The night's plan, the choice of a challenger, the gate, the refit, and MLflow's registry.

In:    settings, snapshot, `candidates/<name>/<window>/<placement>/`, `serving.champions` before.
Out:   plan.json, `serving.{candidate_metrics,rule_prices,gate_decisions,champions}`, gate/, models.
Grain: one decision per `as_of` and placement; one row per rule and subject it looked at.
Fails when: no candidate could be evaluated, or a placement has neither champion nor baseline.
"""

"""Nights replayed as if live, in a home of their own, with the champion against the baselines.

In:    day files of a home, a range of nights.
Out:   backtests/<name>/: results.json, chart.png, backtest.html; a run in MLflow.
Grain: one row per night and placement.
Fails when: the range has no nights or no days, or a night fails.
"""

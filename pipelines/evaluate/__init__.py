"""Compare candidates on days they did not see.

In:    the night's snapshot and plan, recommenders, and the rules of each placement.
Out:   per-user metrics and means with intervals in the run folder; runs and plots in MLflow.
Grain: one evaluation per candidate, window and placement; within it one row per user_id.
Fails when: the snapshot is missing or a candidate is unknown; never because MLflow is down.
"""

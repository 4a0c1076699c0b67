"""The champion and its challenger, fitted on everything known, as versions in MLflow's registry.

In:    the gate's decisions, the night's snapshot.
Out:   models/<placement>/<role>/, versions of `recommender-<placement>`, their aliases.
Grain: one fitted recommender per placement and role.
Fails when: a recommender cannot be fitted; never because MLflow is down.
"""

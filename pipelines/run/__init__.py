"""The night as a list of verbs, and the processes that carry it out.

In:    settings and `as_of`.
Out:   a whole night; Airflow, MLflow and the API as processes; what a home lacks.
Grain: one night; one process per service.
Fails when: a verb fails, the home is busy, or a port is taken.
"""

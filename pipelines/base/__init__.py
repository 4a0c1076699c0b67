"""What every stage stands on: settings, errors, dates, tables, files, locks and the command line.

In:    `recsys.toml`, the environment, the home's warehouse, pointer files and MLflow's store.
Out:   `Settings`, connections, whole files, the paths of a night, runs in MLflow.
Grain: one home, one night (`as_of`) in it.
Fails when: a setting is unknown or wrong, the warehouse is held by another process, the disk is
    full, or two writers want the same home.
"""

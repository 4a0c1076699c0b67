"""What was shown and what people did: effects of experiments with honest intervals.

In:    `metrics.met_experiment_users`, which dbt makes of exposures, clicks and purchases.
Out:   `serving.experiment_effects`, `serving.experiment_decisions`, a report for people.
Grain: one effect per as_of, experiment, arm, metric and population; one decision per arm.
Fails when: never for want of data; then a figure is None and says why.
"""

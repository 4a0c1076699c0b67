"""People are told when a night fails, lists grow old, an experiment is lost or a metric drops.

In:    settings (`[notify]`), publications, states of experiments, metrics, the tables of dags/*.py.
Out:   messages by webhook, e-mail and command; `alerts/` in the home, a file per alert.
Grain: one alert per failure; one delivery per alert and channel.
Fails when: never for a receiver: what could not be delivered is logged, and tried again later.
"""

"""Which experiments there are, which run on a night, and which arm a user is in.

In:    `experiments/<id>.toml` beside the settings, `experiments/<id>.json` in the home.
Out:   frozen experiments with their arms.
Grain: one definition per experiment_id; one arm per experiment and user.
Fails when: a definition is wrong, or was changed after it was started.
"""

"""Search a candidate's specification on windows before those that judge it.

In:    the night's snapshot, a candidate's specification and its search space.
Out:   a study that can be stopped and continued, runs in MLflow, `tuned/<candidate>.json`.
Grain: one trial per specification; one score per trial and window.
Fails when: a parameter cannot be searched, or the history is too short for the windows.
"""

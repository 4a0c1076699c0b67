"""What was shown and what people did: effects of experiments with honest intervals.

In:    users' sums by arm: conversions, clicks, impressions, and the same before exposure.
Out:   effects with intervals, sample ratio checks, the users an experiment needs.
Grain: one effect per experiment, metric and arm against control.
Fails when: never for want of data; then a figure is None and says why.
"""

"""What lists must hold before anybody sees them.

In:    the night's lists, its snapshot, the publication that is live.
Out:   audit.json: one finding per rule and list file.
Grain: one finding per rule, placement and variant.
Fails when: a list breaks a rule; what is live stays live.
"""

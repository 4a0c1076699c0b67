"""The night's report: what came in, who won, what was published, and some customers' lists.

In:    the night's run folder, the warehouse's counts, the publication.
Out:   report.md, report.json, and the same text for a terminal.
Grain: one report per night; one section per placement.
Fails when: the night has no run folder.
"""

"""A world with known truth: people with tastes, who see lists, click, and buy days later.

In:    a publication, through the API or the service behind it.
Out:   day files of a past, then exposures and events as an API logs them; the truth beside them.
Grain: one visit per user and day at most; one answer per visit.
Fails when: the home holds another shop, or the API does not answer.
"""

"""Recommenders that learn from histories and rank items for them.

In: `Interactions` and the catalogue as of one cutoff.
Out: fitted recommenders, `TopN` lists, saved recommenders (`arrays.npz`, `recommender.json`).
Grain: one list per user of the history; one folder per saved recommender.
Fails when: a specification or parameter is unknown, a history has no items, a score is NaN.
"""

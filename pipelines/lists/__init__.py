"""Top-N lists for every user, for people nobody knows yet, and items like an item.

In:    models/<placement>/<role>, the night's snapshot.
Out:   lists/<placement>/<variant>.parquet, fallback lists, exclusions, similar items.
Grain: one row per placement, variant, user_id and rank.
Fails when: a role has no fitted recommender, or the placement does not exist.
"""

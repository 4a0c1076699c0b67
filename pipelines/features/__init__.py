"""Build point-in-time feature tables, and freeze the histories recommenders learn from.

In:    raw.events and raw.items of the warehouse.
Out:   staging.*, intermediate.* and features.* through dbt, and the run folder's snapshot.
Grain: one cutoff_date and user, item or pair; one row per user, item, event type and day.
Fails when: a dbt node fails, a source is stale, a critical check of the features fails, or a
    snapshot is asked for that was not taken.
"""

"""Immutable publications: stored, compared, and put live by one pointer.

In:    audited lists of a night.
Out:   publications/<id>/, CURRENT.json, PIN.json, `serving.recommendations`, rows in Postgres.
Grain: one publication per `as_of` and content; in it one row per placement, variant, user_id, rank.
Fails when: the audit did not pass, another publisher holds the lock, or a file is damaged.
"""

"""Lists for every user, their audit, and their publication.

In:    models/<placement>/<role>, the night's snapshot, the publications already there.
Out:   publications/<id>/, CURRENT.json, PIN.json, `serving.recommendations`, the night's report.
Grain: one row per placement, variant, user_id and rank; one publication per `as_of`.
Fails when: a list breaks a rule of the audit, or another publisher holds the lock.
"""

"""Answers over HTTP from the live publication, and the log of what was shown and done.

In:    publications/ (PIN.json, CURRENT.json, lists.sqlite), requests.
Out:   answers; exposures/date=YYYY-MM-DD/{served,events,items}-<instance>.jsonl.
Grain: one line per answer, per accepted event, per accepted change of availability.
Fails when: it would be open to other machines without keys; the port is taken.
"""

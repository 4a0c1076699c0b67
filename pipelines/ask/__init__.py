"""Questions about what is live: one user with titles, any SQL, and why a list is as it is.

In:    the live publication and its night's run folder.
Out:   rows, and explanations in plain values and as text.
Grain: one user, or one statement.
Fails when: nothing is live, the user is unknown, or the SQL does more than read.
"""

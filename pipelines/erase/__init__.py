"""A person forgotten: every byte of a user's id, in every file of a home.

In:    a user_id, a home.
Out:   the same home without the user; a mark that keeps later files from bringing them back.
Grain: one user.
Fails when: a night is running, or a byte of the id is left.
"""

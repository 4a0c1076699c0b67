"""A new shop: what its files hold, and the settings and commands that fit them.

In:    files of orders, events, ratings or products, read through the door of `land`.
Out:   `recsys.toml` with the reason of each choice, and the `recsys land` commands.
Grain: one `ShopProfile` per set of files.
Fails when: a column is in doubt and nobody can be asked, or nobody could be scored in any window.
"""

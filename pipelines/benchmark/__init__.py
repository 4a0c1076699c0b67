"""Recommenders side by side on anyone's own train and test files, without a home.

In:    files of anyone's split, recommenders or a class of one's own.
Out:   every metric with its interval, seconds and peak memory, as tables or JSON.
Grain: one row per recommender; within it one score per user of the test file.
Fails when: a file lacks its columns, no user of the test file is known, or a recommender fails.
"""

"""The two-stage ranker: candidates of other recommenders, put in order by boosted trees."""

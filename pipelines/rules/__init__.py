"""Who may be shown what: exclusions, caps, diversity, pins, filling, in the one chain `place`.

In:    a fitted recommender and its fallback, histories, the catalogue, a placement's settings.
Out:   lists as they are judged, published, registered and explained.
Grain: one list per user of the history; an exclusion per user and item, or per item.
Fails when: never: what a rule forbids is not in the list, and a short list may stay short.
"""

"""The HTTP layer: routes, keys, limits, errors and their documentation."""

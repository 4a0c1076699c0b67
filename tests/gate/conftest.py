"""Fixtures of a small shop whose evaluations are made up."""

from tests.gated_shop import (  # noqa: F401 - pytest finds fixtures by their names here
    _tracking_store,
    change,
    client,
    contender,
    evaluate,
    evaluate_all,
    night,
    shop,
    thresholds,
)

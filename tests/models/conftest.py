"""Fixtures of histories whose right answers are evident."""

from tests.histories import (  # noqa: F401 - pytest finds fixtures by their names here
    checkerboard,
    history_of_two,
    make_history,
    random_history,
)

"""Fixtures of a small shop with evaluated candidates."""

from tests.judged_shop import (  # noqa: F401 - pytest finds fixtures by their names here
    _forget_failed_servers,
    fabricate,
    take_shop,
    with_store,
)

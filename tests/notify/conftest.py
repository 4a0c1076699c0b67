"""Fixtures of a small shop with published nights."""

from tests.published_shop import *  # noqa: F403 - pytest finds fixtures by their names here

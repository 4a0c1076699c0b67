"""Fixtures of small shops, with published nights and with an MLflow store."""

from tests.judged_shop import (  # noqa: F401 - pytest finds fixtures by their names here
    _forget_failed_servers,
    fabricate,
    take_shop,
    with_store,
)
from tests.published_shop import *  # noqa: F403 - pytest finds fixtures by their names here

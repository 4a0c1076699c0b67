"""Fixtures of small shops, with published nights and with an MLflow store."""

from tests.judged_shop import (  # noqa: F401 - pytest finds fixtures by their names here
    _forget_failed_servers,
    fabricate,
    take_shop,
    with_store,
)
from tests.published_shop import (  # noqa: F401 - pytest finds fixtures by their names here
    bought_rows,
    frame_of,
    homes,
    make_lists,
    make_night,
    night,
    one_night,
    open_rows,
    publish_by_rules,
    publish_night,
    report_home,
    run_folders,
    shop,
    shop_config,
    two_nights,
)

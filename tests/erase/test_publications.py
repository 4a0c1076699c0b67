from __future__ import annotations

import pytest

from pipelines.ask.query import run_sql
from pipelines.base.current import (
    PIN,
    point_to,
    publish_lock,
    read_current,
    read_publication,
    stored_ids,
)
from pipelines.base.durable import read_json
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.warehouse import connect
from pipelines.erase.publications import erase_from_publications
from pipelines.erase.scan import find_user
from pipelines.erase.words import UserWords
from tests.published_shop import (  # noqa: F401 - fixtures
    homes,
    make_lists,
    make_night,
    publish_night,
    run_folders,
    shop,
    two_nights,
)

WORDS = UserWords("u03")


def erase(settings):
    with publish_lock(settings):
        return erase_from_publications(settings, WORDS)


def test_every_publication_loses_the_user_and_nobody_else_notices(shop, two_nights):  # noqa: F811 - fixtures
    before, live = two_nights
    sql = (
        "select * exclude (publication_id) from recommendations where user_id <> 'u03' order by all"
    )
    rows = run_sql(shop, sql)
    counts = read_current(shop).manifest
    point_to(shop, read_publication(shop, before), PIN)
    assert erase(shop) == [before, live]
    assert find_user(shop.publications, WORDS) == []
    assert not {before, live} & set(stored_ids(shop)) and len(stored_ids(shop)) == 2
    pin = read_json(shop.publications / PIN)
    assert pin["publication_id"][:10] == before[:10] and pin["publication_id"] in stored_ids(shop)
    (shop.publications / PIN).unlink()
    now = read_current(shop, verify=True)
    assert run_sql(shop, sql).equals(rows)
    assert now.manifest["user_count"] == counts["user_count"] - 1
    assert now.manifest["row_count"] == counts["row_count"] - 10
    with connect(shop) as warehouse:
        found = warehouse.execute(
            "select publication_id, count(*) from serving.current_recommendations group by all"
        ).fetchall()
    assert found == [(now.publication_id, now.manifest["row_count"])]


def test_publications_without_the_user_are_left_alone(shop, two_nights):  # noqa: F811 - fixtures
    with publish_lock(shop):
        assert erase_from_publications(shop, UserWords("nobody-of-this-shop")) == []
    assert tuple(stored_ids(shop)) == two_nights


def test_a_damaged_publication_stops_it_before_anything_moves(shop, two_nights):  # noqa: F811 - fixtures
    with (shop.publications / two_nights[0] / "lists.sqlite").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(PublicationNotFoundError, match="differs from its hash"):
        erase(shop)
    assert tuple(stored_ids(shop)) == two_nights

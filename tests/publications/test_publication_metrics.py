from __future__ import annotations

import math
from datetime import date

import pytest

from pipelines.base.tables import SERVING_PUBLICATION_METRICS
from pipelines.base.warehouse import connect
from pipelines.publications.publication_metrics import insert_metrics

FIRST, SECOND = date(2024, 3, 10), date(2024, 3, 11)


@pytest.fixture
def publish(make_settings):
    """Metrics of a publication with these rows, in one warehouse."""
    settings = make_settings()

    def run(publication_id, as_of, rows, items="abcd"):
        with connect(settings) as warehouse:
            warehouse.execute("attach ':memory:' as publication_file")
            warehouse.execute(
                "create table publication_file.recommendations as select * from "
                "(values ('', '', '', '')) as t (placement, variant, user_id, item_id) where false"
            )
            warehouse.executemany(
                "insert into publication_file.recommendations values ('discover', ?, ?, ?)", rows
            )
            warehouse.execute(
                "create table publication_file.items as "
                "select unnest(?::varchar[]) as item_id, true as is_available",
                [list(items)],
            )
            warehouse.execute("insert into publication_file.items values ('gone', false)")
            insert_metrics(warehouse, publication_id, as_of)
            warehouse.execute("detach publication_file")
            found = warehouse.execute(
                f"from {SERVING_PUBLICATION_METRICS.qualified} order by as_of, variant"
            ).df()
            return found.to_dict("records")

    return run


def test_coverage_and_concentration_by_hand(publish):
    rows = [("control", "u", "a"), ("control", "u", "b"), ("control", "v", "a")]
    rows += [("other", "u", item) for item in "abcd"]
    control, other = publish("p1", FIRST, rows)
    assert (control["user_count"], control["row_count"], control["item_count"]) == (2, 3, 2)
    assert (control["catalogue_item_count"], control["coverage"]) == (4, 0.5)
    # places 0, 0, 1, 2: (1 * 1 + 3 * 2) / (4 * 3)
    assert control["gini"] == pytest.approx(7 / 12)
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert control["effective_item_count"] == pytest.approx(math.exp(entropy))
    assert (other["coverage"], other["gini"]) == (1.0, 0.0)
    assert other["effective_item_count"] == pytest.approx(4)


def test_nights_stay_and_a_night_that_is_published_again_takes_its_own_place(publish):
    publish("p1", FIRST, [("control", "u", "a")])
    publish("p2", SECOND, [("control", "u", "b"), ("control", "u", "a")])
    publish("p2", SECOND, [("control", "u", "b"), ("control", "u", "a")])
    found = publish("p3", FIRST, [("control", "u", "a"), ("control", "u", "c")])
    assert [(row["publication_id"], row["item_count"]) for row in found] == [("p3", 2), ("p2", 2)]


def test_a_shop_without_an_item_feed_counts_what_it_shows(publish):
    (found,) = publish("p1", FIRST, [("control", "u", "a")], items="")
    assert (found["catalogue_item_count"], found["coverage"], found["gini"]) == (1, 1.0, 0.0)

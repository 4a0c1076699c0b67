from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.base.config import parse_settings
from pipelines.base.errors import RequestRefusedError
from pipelines.base.settings_sections import PlacementSettings
from pipelines.models.popularity import Popularity
from pipelines.rules.exclusion import placement_exclusion
from pipelines.rules.list_rules import make_list_rules
from pipelines.rules.place import place
from pipelines.serve.answer.answers import Query
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.runtime import Runtime
from tests.histories import CUTOFF, history_of
from tests.serve.publications import RULES, Content, packed, publish_by_hand

PURCHASE = {"event_type": "purchase", "user_id": "u1", "item_id": "a"}


def names(answer):
    return "".join(item["item_id"] for item in answer.items)


def test_an_answer_says_all_that_it_is(open_service):
    answer = open_service().service.recommend(Query("u1", n=2))
    assert answer.items[0] == {
        "item_id": "a",
        "rank": 1,
        "score": 10.0,
        "reason": "Like your history",
        "title": "Item a",
    }
    assert (answer.placement, answer.source) == ("discover", "personal")
    assert answer.publication_id == "2024-03-10-00000000"
    assert (answer.generated_at, answer.age_seconds) == ("2024-03-10T03:00:00.000000Z", 10 * 3600)
    assert (answer.is_stale, answer.warnings) == (False, [])


def test_an_answer_is_logged_unless_it_is_a_dry_run(open_service, lines_of):
    opened = open_service()
    answer = opened.service.recommend(Query("u1", n=2))
    opened.service.recommend(Query("u1", n=2, is_dry_run=True))
    (line,) = lines_of(opened.settings, "served")
    assert json.loads(line) == {
        "request_id": answer.request_id,
        "at": "2024-03-10T10:00:00.000000Z",
        "user_id": "u1",
        "placement": "discover",
        "source": "personal",
        "publication_id": "2024-03-10-00000000",
        "experiment_id": None,
        "variant": "control",
        "items": ["a", "b"],
    }


def test_names_that_are_not_known_get_an_answer_and_a_warning(open_service):
    opened = open_service()
    answer = opened.service.recommend(Query("u1", placement="chekout", experiment="blue-button"))
    assert (answer.placement, names(answer)) == ("discover", "abcdefghij")
    assert answer.warnings == ["unknown_placement", "unknown_experiment"]
    assert opened.count("warnings", code="unknown_experiment") == 1


@pytest.mark.parametrize(
    ("hours", "is_stale", "warnings"),
    [(29.9, False, []), (30, True, ["stale"]), (54, True, ["stale", "alarm"])],
)
def test_an_old_publication_is_served_and_says_so(open_service, hours, is_stale, warnings):
    opened = open_service()
    opened.clock.go(hours=hours - 10)  # it is ten hours after the day that the lists know last
    answer = opened.service.recommend(Query("u1"))
    assert (answer.is_stale, answer.warnings) == (is_stale, warnings)
    assert names(answer) == "abcdefghij"


def test_a_store_that_cannot_be_read_any_more_is_replaced_by_the_list_in_memory(
    open_service, content
):
    # more pages than SQLite keeps in memory, so that most users' lists must be read
    lists = {("discover", f"u{n}"): packed("abcdefghij", reason="x" * 2000) for n in range(3000)}
    opened = open_service(content(lists=lists))
    events = [{**PURCHASE, "user_id": f"u{n}", "item_id": "l"} for n in range(1000, 1050)]
    opened.service.take_events(events)
    opened.service.take_stock([{"item_id": "m", "is_available": False}])
    (path,) = opened.settings.publications.glob("*/lists.sqlite")
    os.truncate(path, 4096)
    answers = [
        opened.service.recommend(Query(f"u{n}", n=3, exclude=("k",))) for n in range(1000, 1050)
    ]
    found = [answer for answer in answers if answer.source == "static"]
    assert len(found) > 25
    assert {names(answer) for answer in found} == {"nop"}
    assert found[0].items[0]["title"] == "Item n"
    assert found[0].warnings == ["store_failure"]
    assert opened.count("answers", source="static") == len(found)
    assert opened.count("warnings", code="store_failure") == len(found)
    assert opened.service.take_stock([{"item_id": "a", "is_available": True}])


def test_nothing_is_answered_before_a_publication_is_verified_but_events_are_taken(
    open_service, lines_of
):
    opened = open_service(publish=False)
    with pytest.raises(RequestRefusedError, match="verified publication must be live"):
        opened.service.recommend(Query("u1"))
    assert opened.service.take_events([PURCHASE])[0]["status"] == "accepted"
    assert len(lines_of(opened.settings, "events")) == 1
    assert lines_of(opened.settings, "served") == []


def test_events_before_the_logs_are_read_are_refused(open_service, make_settings):
    opened = open_service()
    runtime = Runtime(opened.settings, ServeMetrics(), opened.clock)
    try:
        with pytest.raises(RequestRefusedError, match="must be read before rows are taken"):
            runtime.service.take_events([PURCHASE])
    finally:
        runtime.stop()


def test_each_row_gets_its_result_and_an_id_counts_once(open_service, lines_of):
    opened = open_service()
    rows = [
        {**PURCHASE, "event_id": "e1"},
        {"event_type": "purchase"},
        {**PURCHASE, "event_id": "e1"},
    ]
    found = opened.service.take_events(rows)
    assert [row["status"] for row in found] == ["accepted", "rejected", "duplicate"]
    assert found[1] == {"index": 1, "status": "rejected", "reason": "user_id is missing"}
    (again,) = opened.service.take_events([{**PURCHASE, "event_id": "e1"}])
    assert again["status"] == "duplicate"
    assert len(lines_of(opened.settings, "events")) == 1
    assert opened.count("rows", feed="events", status="duplicate") == 2


def test_what_was_bought_is_gone_from_the_next_list(open_service):
    opened = open_service()
    opened.service.take_events([PURCHASE])
    assert names(opened.service.recommend(Query("u1"))) == "bcdefghijl"


def test_another_instance_knows_it_after_a_look_at_the_logs(open_service):
    first = open_service()
    second = open_service(publish=False, settings=first.settings)
    first.service.take_events([PURCHASE])
    first.service.take_stock([{"item_id": "b", "is_available": False}])
    second.runtime.poll()
    assert names(second.service.recommend(Query("u1", n=3))) == "cde"
    assert second.service.take_events([{**PURCHASE, "event_at": "2024-03-10T10:00:00Z"}])


def test_a_restart_remembers(open_service):
    first = open_service()
    first.service.take_events([{**PURCHASE, "event_id": "e1"}])
    second = open_service(publish=False, settings=first.settings)
    assert names(second.service.recommend(Query("u1", n=2))) == "bc"
    assert second.service.take_events([{**PURCHASE, "event_id": "e1"}])[0]["status"] == "duplicate"


def test_stock_counts_at_once_and_its_line_is_a_whole_version_of_the_item(open_service, lines_of):
    opened = open_service()
    rows = [{"item_id": "a", "is_available": False}, {"item_id": "new", "is_available": True}, 7]
    statuses = [row["status"] for row in opened.service.take_stock(rows)]
    assert statuses == ["accepted", "accepted", "rejected"]
    assert names(opened.service.recommend(Query("u1", n=2))) == "bc"
    known, unknown = map(json.loads, lines_of(opened.settings, "items"))
    assert known == {
        "item_id": "a",
        "is_available": False,
        "at": "2024-03-10T10:00:00.000000Z",
        "title": "Item a",
        "category": "tea",
        "price": 1.5,
    }
    assert set(unknown) == {"item_id", "is_available", "at"}


def test_a_full_disk_refuses_events_and_goes_on_answering(open_service):
    opened = open_service()
    day = opened.settings.exposures / "date=2024-03-10"
    day.mkdir(parents=True)
    for kind in ("served", "events", "items"):
        (day / f"{kind}-{opened.runtime.instance}.jsonl").symlink_to("/dev/full")
    with pytest.raises(RequestRefusedError, match="must be written before") as refusal:
        opened.service.take_events([PURCHASE])
    assert refusal.value.status == 503
    with pytest.raises(RequestRefusedError, match="none counts"):
        opened.service.take_stock([{"item_id": "a", "is_available": False}])
    answer = opened.service.recommend(Query("u1", n=2))
    assert (names(answer), answer.warnings) == ("ab", ["exposure_not_logged"])
    assert opened.count("dropped_exposures") == 1
    assert opened.count("warnings", code="exposure_not_logged") == 1


def test_a_later_publication_knows_what_an_earlier_one_had_to_remember(open_service, content):
    opened = open_service()
    opened.service.take_events([PURCHASE])
    for days in (1, 2):
        opened.clock.go(days=1)
        as_of = opened.clock.now.date()
        kept = content(
            lists={("discover", "u1"): packed("bcdef")}, exclusions={("discover", "u1"): "a"}
        )
        publish_by_hand(opened.settings, kept, as_of=as_of, tag=f"{days:08}")
        opened.runtime.poll()  # swaps
        opened.runtime.poll()  # drops the days that the publication knows
    assert opened.metrics.registry.get_sample_value("recsys_recent_events") == 0
    assert names(opened.service.recommend(Query("u1", n=3))) == "bcd"


# batch and API on the same events

ITEMS = [f"i{n:02}" for n in range(12)]
CATEGORIES = {item: ("tea", "cup", None)[number % 3] for number, item in enumerate(ITEMS)}
KINDS = ("purchase", "return", "view")
MIDNIGHT = datetime.combine(CUTOFF, time(), UTC)
PLACEMENTS = st.fixed_dictionaries(
    {
        "exclude": st.sampled_from(["none", "all", ("purchase",), ("view", "return")]),
        "exclude_within_days": st.sampled_from([None, 1, 2, 10]),
        "max_per_category": st.sampled_from([None, 1, 2]),
        "rerank_depth": st.integers(1, 6),
        "pinned": st.dictionaries(st.integers(1, 8), st.sampled_from(ITEMS), max_size=2).map(
            lambda pins: [
                {"item_id": item, "rank": rank}
                for item, rank in {item: rank for rank, item in pins.items()}.items()
            ]
        ),
    }
)
HISTORY = st.lists(
    st.tuples(
        st.sampled_from("uv"), st.sampled_from(ITEMS), st.sampled_from(KINDS), st.integers(1, 20)
    ),
    max_size=14,
    unique=True,
)
SINCE = st.lists(st.tuples(st.sampled_from(ITEMS), st.sampled_from(KINDS)), max_size=5, unique=True)


class Clock:
    def __call__(self):
        return MIDNIGHT + timedelta(hours=20)


@dataclass(frozen=True)
class World:
    """A placement's rules, a night, and what came after it."""

    rules: dict
    rows: list
    since: list
    sold_out: list
    asked_away: list
    n: int

    @property
    def placement(self):
        return PlacementSettings(list_length=12, **self.rules)

    @property
    def pinned(self):
        return {pin["item_id"] for pin in self.rules["pinned"]}

    def history(self, days_later=0):
        """What `u` and `v` did, amid others who make every item popular in its own measure."""
        crowd = [f"p{k}" for k in range(12)]
        rows = [(name, item, "purchase", 25) for n, item in enumerate(ITEMS) for name in crowd[:n]]
        rows = [(*row[:3], row[3] + days_later) for row in [*rows, *self.rows]]
        if days_later:
            rows += [(user, item, kind, 1) for item, kind in self.since for user in "uv"]
        return history_of(rows, items=ITEMS, users=[*"uv", *crowd])

    def kept(self, history, user):
        """What the rule keeps from a user."""
        rule = placement_exclusion(self.placement, history)
        return (
            set()
            if rule.pairs is None
            else {
                ITEMS[n] for n in rule.pairs[[history.user_ids.tolist().index(user)]].nonzero()[1]
            }
        )

    def batch_list(self, away=(), sold_out=()):
        """The batch's list for `u`, were these items kept from them."""
        history = self.history()
        rules = make_list_rules(self.placement, history, catalogue(()))
        kept = history_of(
            [("u", item) for item in sorted(away)], items=ITEMS, users=history.user_ids.tolist()
        )
        everything = PlacementSettings(exclude="all")
        exclude = placement_exclusion(everything, kept, catalogue(sold_out))
        recommender = Popularity().fit(history)
        found = place(recommender, None, history, 12, rules=rules, exclude=exclude)
        row = found.items[history.user_ids.tolist().index("u")]
        return [ITEMS[item] for item in row if item >= 0]

    def content(self):
        """The night's publication."""
        night = self.history()
        items = self.batch_list(self.kept(night, "u"))
        own = packed(items, "popularity", "Popular with others")
        words = ["pinned" if item in self.pinned else "popularity" for item in items]
        own["labels"] = [
            {"from_rank": rank, "strategy": word, "reason": "why"}
            for rank, word in enumerate(words, 1)
        ]
        return Content(
            lists={("discover", "u"): own},
            fallbacks={("discover", ""): packed(ITEMS[::-1], "popularity", "fallback: anyone")},
            exclusions={("discover", user): sorted(self.kept(night, user)) for user in "uv"},
            similar={item: [other for other in ITEMS if other != item] for item in ITEMS},
            items={item: (item, CATEGORIES[item], 1.0, True) for item in ITEMS},
            placements={"discover": {**RULES, "list_length": 12, **self.rules}},
        )


def catalogue(sold_out):
    return pd.DataFrame(
        {
            "item_id": ITEMS,
            "category": [CATEGORIES[item] for item in ITEMS],
            "is_available": [item not in sold_out for item in ITEMS],
            "is_in_feed": True,
        }
    )


def ask(world):
    """Answers for `u`, strict and not, and for `v`, who has no list of their own."""
    with tempfile.TemporaryDirectory() as folder:
        settings_ = parse_settings({"home": Path(folder)})
        publish_by_hand(settings_, world.content(), as_of=CUTOFF, generated_at=MIDNIGHT)
        runtime = Runtime(settings_, ServeMetrics(), Clock())
        try:
            runtime.poll()
            for user in "uv":
                runtime.service.take_events(
                    [{"event_type": kind, "user_id": user, "item_id": i} for i, kind in world.since]
                )
            runtime.service.take_stock(
                [{"item_id": item, "is_available": False} for item in world.sold_out]
            )
            return [
                (
                    user,
                    runtime.service.recommend(
                        Query(user, n=n, exclude=tuple(world.asked_away), is_strict=is_strict)
                    ),
                )
                for user, n, is_strict in (("u", world.n, True), ("u", 12, False), ("v", 12, False))
            ]
        finally:
            runtime.stop()


def check_one_world(world):
    """The API's lists after read-time events, against the batch made again with them."""
    answers = ask(world)
    night, later = world.history(), world.history(days_later=1)
    gone = {*world.sold_out, *world.asked_away}
    for user, answer in answers:
        shown = [item["item_id"] for item in answer.items]
        assert not set(shown) & (gone | world.kept(later, user))
        assert len(set(shown)) == len(shown)
        scores = [item["score"] for item in answer.items]
        assert scores == sorted(scores, reverse=True)
    # what the night has kept is kept until the next one, whatever has become old enough since
    away = world.kept(night, "u") | world.kept(later, "u") | set(world.asked_away)
    wanted = world.batch_list(away, world.sold_out)
    shown = [item["item_id"] for item in answers[0][1].items]
    if world.rules["max_per_category"] is None:
        assert shown == wanted[: world.n]
        return
    # a published list does not say what its order was before the cap, so that who moves up after
    # an item is gone may be another one: the cap must hold, and nobody may be lost
    assert len(shown) == min(world.n, len(wanted))
    assert world.n < len(wanted) or set(shown) == set(wanted)
    check_cap([item for item in shown if item not in world.pinned], set(wanted), world)


def check_cap(shown, pool, world):
    """A rank over the cap is one for which no other item was left."""
    most = world.rules["max_per_category"]
    counts = dict.fromkeys(("tea", "cup", None), 0)
    for rank, item in enumerate(shown[: world.rules["rerank_depth"]]):
        is_open = {
            other
            for other in pool - world.pinned - set(shown[:rank])
            if CATEGORIES[other] is None or counts[CATEGORIES[other]] < most
        }
        assert item in is_open or not is_open
        counts[CATEGORIES[item]] += 1


FEW_ITEMS = st.lists(st.sampled_from(ITEMS), max_size=2, unique=True)
WORLDS = st.builds(
    World,
    rules=PLACEMENTS,
    rows=HISTORY,
    since=SINCE,
    sold_out=FEW_ITEMS,
    asked_away=FEW_ITEMS,
    n=st.integers(1, 12),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(WORLDS)
def test_no_list_holds_what_the_rules_exclude_and_it_is_the_batchs_made_again(world):
    check_one_world(world)


@pytest.mark.prove
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(WORLDS)
def test_many_worlds_give_the_batchs_lists(world):
    check_one_world(world)

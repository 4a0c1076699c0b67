from __future__ import annotations

import json
import os
import tracemalloc
from datetime import date, timedelta

import pytest

from pipelines.serve.log.recent import RecentEvents

MONDAY = date(2024, 3, 11)


def event(number, user="u", item="i", kind="purchase", at="2024-03-11T10:00:00Z"):
    return {
        "event_id": f"e{number}",
        "event_type": kind,
        "user_id": user,
        "item_id": item,
        "event_at": at,
    }


def stock(item, is_available, at="2024-03-11T10:00:00.000000Z"):
    return {"item_id": item, "is_available": is_available, "at": at}


@pytest.fixture
def write(tmp_path):
    """Append rows to the log of a day, kind and instance."""

    def append(rows, day=MONDAY, kind="events", instance="other", end="\n"):
        path = tmp_path / f"date={day}" / f"{kind}-{instance}.jsonl"
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as stream:
            stream.write("\n".join(json.dumps(row) for row in rows) + end)
        return path

    return append


@pytest.fixture
def recent(tmp_path):
    return RecentEvents(tmp_path, "own", ["impression", "served"])


def items_of(recent, user="u"):
    return [found.item_id for found in recent.events_of(user)]


def test_the_logs_are_read_at_start_from_the_first_day_on(recent, write):
    write([event(1, item="old")], MONDAY - timedelta(days=1))
    write([event(2, item="new"), event(3, user="v", item="other")])
    assert not recent.is_loaded
    recent.cover(MONDAY)
    assert recent.is_loaded
    assert (items_of(recent), items_of(recent, "v")) == (["new"], ["other"])


def test_what_others_write_is_seen_at_the_next_poll_once(recent, write):
    recent.cover(MONDAY)
    write([event(1)])
    recent.poll()
    write([event(1), event(2, item="j")], MONDAY + timedelta(days=1), instance="third")
    recent.poll()
    recent.poll()
    assert items_of(recent) == ["i", "i", "j"]  # one per day, item and type
    assert recent.count_events() == 3


def test_a_line_that_is_being_written_waits_and_a_torn_one_is_passed_over(recent, write):
    recent.cover(MONDAY)
    path = write([event(1)], end="")
    recent.poll()
    assert items_of(recent) == []
    with path.open("a") as stream:
        stream.write('\n{"event_id": "e2", "event_ty\n')
    write([event(3, item="k")])
    recent.poll()
    assert items_of(recent) == ["i", "k"]


def test_own_events_count_at_once_and_are_not_read_again(recent, write):
    recent.cover(MONDAY)
    write([event(1)], instance="own")
    recent.add("events", MONDAY, [event(1)])
    recent.poll()
    assert items_of(recent) == ["i"]
    assert recent.knows_event("e1")
    assert not recent.knows_event("e2")


def test_exposures_are_known_by_id_but_are_nothing_a_user_did(recent):
    recent.cover(MONDAY)
    recent.add("events", MONDAY, [event(1, kind="impression")])
    assert items_of(recent) == []
    assert recent.knows_event("e1")


def test_a_later_publication_drops_days_and_an_earlier_one_reads_them_again(recent, write):
    tuesday = MONDAY + timedelta(days=1)
    write([event(1, item="monday")])
    write([stock("i", False)], kind="items")
    write([event(2, item="tuesday", at="2024-03-12T09:00:00Z")], tuesday)
    recent.cover(MONDAY)
    recent.cover(tuesday)
    assert (items_of(recent), recent.is_available("i")) == (["tuesday"], None)
    recent.add("events", tuesday, [event(3, item="own", at="2024-03-12T10:00:00Z")])
    recent.cover(MONDAY)
    assert items_of(recent) == ["monday", "tuesday", "own"]
    assert recent.is_available("i") is False


def test_the_last_change_of_stock_counts_whoever_wrote_it(recent, write):
    recent.cover(MONDAY)
    recent.add("items", MONDAY, [stock("i", True, "2024-03-11T12:00:00.000000Z")])
    write([stock("i", False, "2024-03-11T11:00:00.000000Z"), stock("j", False)], kind="items")
    recent.poll()
    assert (recent.is_available("i"), recent.is_available("j")) == (True, False)
    assert recent.is_available("k") is None


def test_events_are_in_order_of_time_with_the_last_of_each_type(recent):
    recent.cover(MONDAY)
    recent.add(
        "events",
        MONDAY,
        [
            event(1, item="a", at="2024-03-11T09:00:00Z"),
            event(2, item="b", at="2024-03-11T08:00:00Z"),
            event(3, item="b", at="2024-03-11T10:00:00Z"),
        ],
    )
    assert items_of(recent) == ["a", "b"]
    assert recent.events_of("u")[0].day_number == 19_793  # 2024-03-11


def test_rewritten_logs_are_read_anew_with_what_came_since(recent, write):
    write([event(1, user="gone"), event(2)])
    recent.cover(MONDAY)
    own = write([event(3, user="gone"), event(4, item="mine")], instance="own")
    recent.add("events", MONDAY, [event(3, user="gone"), event(4, item="mine")])
    recent.poll()
    assert items_of(recent, "gone") == ["i"]  # the same item twice
    for path in own.parent.iterdir():
        kept = [line for line in path.read_text().splitlines() if "gone" not in line]
        draft = path.with_suffix(".tmp")
        draft.write_text("\n".join(kept) + "\n")
        os.replace(draft, path)
    recent.poll()
    assert items_of(recent, "gone") == []
    assert items_of(recent) == ["i", "mine"]


def test_lines_of_another_form_are_passed_over(recent, write):
    write([{"event_id": "x"}, {**event(2), "event_at": "never"}, event(3)])
    write([{"item_id": "i"}], kind="items")
    recent.cover(MONDAY)
    assert items_of(recent) == ["i"]


def test_an_event_below_the_least_value_of_its_type_is_held_as_low(tmp_path, write):
    recent = RecentEvents(tmp_path, "own", [], {"rating": 4.0})
    rows = [
        event(1, item="bad", kind="rating") | {"value": 0.5},
        event(2, item="good", kind="rating") | {"value": 4},
        event(3, item="unsaid", kind="rating"),
        event(4, item="broken", kind="rating") | {"value": "four"},  # no line of ours
    ]
    write(rows)
    recent.cover(MONDAY)
    assert sorted((found.item_id, found.event_type) for found in recent.events_of("u")) == [
        ("bad", "low_rating"),
        ("good", "rating"),
        ("unsaid", "rating"),
    ]


def test_what_is_held_is_bounded_and_the_oldest_day_makes_room(tmp_path):
    recent = RecentEvents(tmp_path, "own", [], max_bytes=1_000_000)
    sunday = MONDAY - timedelta(days=1)
    recent.add("items", sunday, [stock("i", False)])
    recent.add("events", sunday, [event("old", user="early")])
    for day in (sunday, MONDAY):
        rows = [event(f"{day}-{n}", user=f"{day}-{n}" + "\U0001f642" * 60) for n in range(900)]
        recent.add("events", day, rows)
    assert recent.count_bytes() <= 1_001_000
    assert recent.events_of("early") == [] and recent.is_available("i") is False
    assert recent.events_of(f"{MONDAY}-5" + "\U0001f642" * 60)
    assert recent.unheld_count > 0


@pytest.mark.parametrize("length", [1, 200])
def test_what_is_held_takes_no_more_memory_than_is_counted(tmp_path, length):
    recent = RecentEvents(tmp_path, "own", [])
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for n in range(20_000):
        rows = [event(n, user=f"{n % 7000:06}" * length, item=f"{n:06}" * length)]
        recent.add("events", MONDAY, rows)
        recent.add("items", MONDAY, [stock(f"{n:06}" * length, n % 2 == 0)])
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert taken <= recent.count_bytes() <= 3 * taken


def test_erased_users_are_forgotten_and_not_held_again(tmp_path):
    gone = set()
    recent = RecentEvents(tmp_path, "own", [], is_erased=gone.__contains__)
    recent.add("events", MONDAY, [event(1, user="u"), event(2, user="v")])
    gone.add("u")
    recent.forget_erased()
    recent.add("events", MONDAY, [event(3, user="u")])
    assert recent.events_of("u") == [] and len(recent.events_of("v")) == 1

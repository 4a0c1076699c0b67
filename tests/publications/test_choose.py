from __future__ import annotations

import os
from datetime import timedelta

import pytest

from pipelines.ask.query import query_user
from pipelines.base.current import (
    PIN,
    POINTER,
    date_of,
    named_id,
    publish_lock,
    read_current,
    read_pointed,
    stored_ids,
)
from pipelines.base.durable import read_json, write_json
from pipelines.base.errors import PinnedError, PublicationNotFoundError, PublishLockedError
from pipelines.base.warehouse import connect
from pipelines.publications.choose import pin, rollback, unpin

DAY = timedelta(days=1)
BROKEN = {
    "empty": b"",
    "not JSON": b"{",
    "without an id": b"{}",
    "a list": b"[]",
    "no text": b"\xff\xfe",
    "a missing version": b'{"publication_id": "2024-03-10-00000000", "manifest_sha256": ""}',
    "a path trick": b'{"publication_id": "../../x", "manifest_sha256": ""}',
}


def seen_by_readers(settings):
    """What each kind of reader takes for live: the API's door, SQL in the warehouse, `query`."""
    with connect(settings, read_only=True) as warehouse:
        rows = warehouse.execute(
            "select distinct publication_id from serving.current_recommendations"
        ).fetchall()
    return {
        read_current(settings, verify=True).publication_id,
        *(publication_id for (publication_id,) in rows),
        query_user(settings, "u00")["publication_id"],
    }


def damage(settings, publication_id):
    path = settings.publications / publication_id / "lists.sqlite"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")


def test_a_pin_holds_the_live_publication_and_unpin_lets_it_go(shop, two_nights):
    before, last = two_nights
    assert pin(shop) == {"publication_id": last, "previous": last}
    assert pin(shop, before) == {"publication_id": before, "previous": last}
    assert seen_by_readers(shop) == {before}
    assert unpin(shop) == {"publication_id": last, "unpinned": before}
    assert seen_by_readers(shop) == {last}
    assert unpin(shop) == {"publication_id": last, "unpinned": None}


@pytest.mark.parametrize("choose", [pin, rollback], ids=["pin", "rollback"])
def test_what_a_person_chose_is_in_force_after_the_next_three_nights(
    shop, two_nights, publish_night, choose, caplog
):
    before, last = two_nights
    choose(shop, before)
    for number in (1, 2, 3):
        newest = publish_night(date_of(last) + number * DAY)
        assert read_pointed(shop, POINTER).publication_id == newest
        assert seen_by_readers(shop) == {before}
        assert f"{newest}: new, current, not live: {before} is pinned" in caplog.text
    # the last three nights are kept, and the pinned one, whose turn to go had come
    assert stored_ids(shop)[0] == before and len(stored_ids(shop)) == 4
    assert unpin(shop) == {"publication_id": newest, "unpinned": before}
    assert seen_by_readers(shop) == {newest}


def test_a_backfill_moves_neither_current_nor_the_pin(shop, two_nights, publish_night, night):
    before, last = two_nights
    pin(shop, before)
    publish_night(night - DAY)
    assert (named_id(shop, POINTER), named_id(shop, PIN)) == (last, before)
    assert seen_by_readers(shop) == {before}


def test_a_pin_is_seen_while_another_holds_the_warehouse(shop, two_nights):
    before, last = two_nights
    named = "select distinct publication_id from serving.current_recommendations"
    with connect(shop) as warehouse:
        pin(shop, before)
        assert warehouse.execute(named).fetchall() == [(before,)]
        unpin(shop)
        assert warehouse.execute(named).fetchall() == [(last,)]


def test_rollback_pins_the_night_before_and_goes_further_when_asked_again(
    shop, publish_night, two_nights, night
):
    before, last = two_nights
    newest = publish_night(night + 2 * DAY)
    expected = {"publication_id": last, "previous": newest, "is_pinned": True}
    assert rollback(shop) == expected
    assert rollback(shop) == {**expected, "publication_id": before, "previous": last}
    assert named_id(shop, POINTER) == newest and seen_by_readers(shop) == {before}
    assert stored_ids(shop) == [before, last, newest]


def test_rollback_to_a_name_goes_either_way(shop, two_nights):
    before, last = two_nights
    rollback(shop, before)
    assert rollback(shop, last)["previous"] == before
    assert seen_by_readers(shop) == {last}


def test_rollback_until_the_next_night_pins_nothing(shop, two_nights, publish_night, night):
    before, last = two_nights
    assert rollback(shop, until_next_night=True) == {
        **{"publication_id": before, "previous": last},
        "is_pinned": False,
    }
    assert named_id(shop, PIN) is None and seen_by_readers(shop) == {before}
    assert publish_night(night + 2 * DAY) in seen_by_readers(shop)


def test_rollback_until_the_next_night_is_refused_under_a_pin(shop, two_nights):
    before, last = two_nights
    pin(shop, last)
    with pytest.raises(PinnedError, match="Run `recsys unpin` first"):
        rollback(shop, before, until_next_night=True)
    assert seen_by_readers(shop) == {last}


def test_rollback_of_the_only_night_is_refused(shop, one_night):
    with pytest.raises(PublicationNotFoundError, match=f"Found none before {one_night}"):
        rollback(shop)
    assert seen_by_readers(shop) == {one_night} and named_id(shop, PIN) is None


@pytest.mark.parametrize("choose", [pin, rollback], ids=["pin", "rollback"])
def test_a_damaged_or_missing_publication_is_refused(shop, two_nights, choose):
    before, last = two_nights
    damage(shop, before)
    with pytest.raises(PublicationNotFoundError, match=r"lists\.sqlite differs from its hash"):
        choose(shop, before)
    for named in ("2024-03-10-00000000", "../../x"):
        with pytest.raises(PublicationNotFoundError, match=f"There are: {before}, {last}"):
            choose(shop, named)
    assert seen_by_readers(shop) == {last} and named_id(shop, PIN) is None


def test_a_damaged_live_publication_cannot_be_pinned(shop, one_night):
    damage(shop, one_night)
    with pytest.raises(PublicationNotFoundError, match="damaged"):
        pin(shop)


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("name", [PIN, POINTER])
def test_readers_refuse_a_broken_pointer_and_say_what_to_do(shop, two_nights, name, content):
    before, last = two_nights
    (shop.publications / name).write_bytes(content)
    remedy = {PIN: "recsys unpin", POINTER: "recsys rollback --to ID"}[name]
    with pytest.raises(PublicationNotFoundError, match=f"(?s){name}.*{remedy}") as refusal:
        read_current(shop)
    assert before in str(refusal.value) and last in str(refusal.value)


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_pin_is_mended_by_unpin_and_by_a_pin(shop, two_nights, content):
    before, last = two_nights
    (shop.publications / PIN).write_bytes(content)
    unpinned = unpin(shop)
    assert unpinned["publication_id"] == last and unpinned["unpinned"] is not None
    (shop.publications / PIN).write_bytes(content)
    assert pin(shop, before) == {"publication_id": before, "previous": None}
    assert seen_by_readers(shop) == {before}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_rollback_heals_a_broken_current(shop, two_nights, content):
    _, last = two_nights
    (shop.publications / POINTER).write_bytes(content)
    expected = {"publication_id": last, "previous": None, "is_pinned": True}
    assert rollback(shop) == expected
    assert seen_by_readers(shop) == {last} and named_id(shop, POINTER) == last


def test_unpin_is_refused_while_current_is_broken(shop, two_nights):
    before, _ = two_nights
    pin(shop, before)
    (shop.publications / POINTER).write_text("{")
    with pytest.raises(PublicationNotFoundError, match="recsys rollback --to ID"):
        unpin(shop)
    assert read_current(shop).publication_id == before


def test_sql_never_answers_with_current_while_the_pin_is_unreadable(shop, two_nights):
    import duckdb

    for content in (b"", b"{", b"{}", b"[]"):
        (shop.publications / PIN).write_bytes(content)
        with (
            connect(shop, read_only=True) as warehouse,
            pytest.raises(duckdb.Error, match="JSON|must name a publication"),
        ):
            warehouse.execute("select * from serving.current_recommendations").fetchall()


def test_a_crash_at_the_flip_changes_nothing(shop, two_nights, monkeypatch):
    pointer = read_json(shop.publications / POINTER)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("killed")))
    for choose in (rollback, pin):
        with pytest.raises(OSError, match="killed"):
            choose(shop)
    assert read_json(shop.publications / POINTER) == pointer and named_id(shop, PIN) is None


@pytest.mark.parametrize("choose", [pin, unpin, rollback], ids=["pin", "unpin", "rollback"])
def test_nobody_chooses_while_a_night_is_publishing(shop, two_nights, choose):
    with publish_lock(shop), pytest.raises(PublishLockedError):
        choose(shop)


def test_a_pin_of_another_manifest_is_refused_by_readers(shop, two_nights):
    before, _ = two_nights
    pin(shop, before)
    pinned = read_json(shop.publications / PIN)
    write_json(shop.publications / PIN, {**pinned, "manifest_sha256": "0" * 64})
    with pytest.raises(PublicationNotFoundError, match=r"changed since PIN\.json was written"):
        read_current(shop)

from __future__ import annotations

import os

import pytest

from pipelines.durable import read_json, write_json
from pipelines.errors import PublicationNotFoundError, PublishLockedError
from pipelines.recommend.current import (
    POINTER,
    find_current,
    publish_lock,
    read_current,
    read_publication,
    rollback,
    stored_ids,
)


def test_current_is_the_publication_the_pointer_names(shop, two_nights):
    current = read_current(shop, verify=True)
    assert current.publication_id == two_nights[1]
    assert current.manifest["publication_id"] == two_nights[1]
    assert stored_ids(shop) == list(two_nights)


def test_before_the_first_night_nothing_is_live(shop):
    with pytest.raises(PublicationNotFoundError, match="A publication must be live. Found no"):
        read_current(shop)
    assert find_current(shop) is None and stored_ids(shop) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'"text"', b"null"])
def test_an_unreadable_pointer_is_refused(shop, one_night, content):
    (shop.publications / POINTER).write_bytes(content)
    with pytest.raises(PublicationNotFoundError, match=f"There are: {one_night}"):
        read_current(shop)


@pytest.mark.parametrize("named", ["2024-03-10-00000000", "../../etc", "", "2024-03-10"])
def test_a_pointer_to_what_is_not_there_is_refused(shop, one_night, named):
    write_json(shop.publications / POINTER, {"publication_id": named, "manifest_sha256": ""})
    with pytest.raises(PublicationNotFoundError, match="A publication must be in"):
        read_current(shop)


def test_every_flipped_bit_is_found(shop, one_night):
    folder = shop.publications / one_night
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for position in range(0, len(content), max(1, len(content) // 12)):
            flipped = bytearray(content)
            flipped[position] ^= 1 << (position % 8)
            path.write_bytes(flipped)
            with pytest.raises(PublicationNotFoundError):
                read_publication(shop, folder.name)
        path.write_bytes(content)
    assert read_publication(shop, folder.name).publication_id == folder.name


@pytest.mark.parametrize(
    "name", ["serving.duckdb", "lists.sqlite", "manifest.json", "manifest.json.sha256"]
)
def test_truncated_and_missing_files_are_found(shop, one_night, name):
    folder = shop.publications / one_night
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PublicationNotFoundError, match="damaged"):
        read_publication(shop, folder.name)
    path.unlink()
    with pytest.raises(PublicationNotFoundError):
        read_publication(shop, folder.name)


def test_another_publications_files_are_found(shop, two_nights):
    first, second = (shop.publications / name for name in two_nights)
    for path in first.iterdir():
        path.write_bytes((second / path.name).read_bytes())
    with pytest.raises(PublicationNotFoundError, match=f"is of {second.name}"):
        read_publication(shop, first.name)


def test_a_manifest_that_changed_since_it_went_live_is_found(shop, one_night):
    folder = shop.publications / one_night
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text() + "\n")
    with pytest.raises(PublicationNotFoundError, match="changed since it was published"):
        read_current(shop)


def test_rollback_makes_the_night_before_live(shop, two_nights):
    before, last = two_nights
    assert rollback(shop) == {"publication_id": before, "previous": last}
    assert read_current(shop, verify=True).publication_id == before
    assert stored_ids(shop) == list(two_nights)


def test_rollback_to_a_name_goes_either_way(shop, two_nights):
    before, last = two_nights
    rollback(shop, before)
    assert rollback(shop, last) == {"publication_id": last, "previous": before}


def test_rollback_of_the_only_night_is_refused(shop, one_night):
    with pytest.raises(PublicationNotFoundError, match=f"Found none before {one_night}"):
        rollback(shop)
    assert read_current(shop).publication_id == one_night


def test_rollback_to_a_damaged_publication_is_refused(shop, two_nights):
    before, last = two_nights
    path = shop.publications / before / "lists.sqlite"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(PublicationNotFoundError, match=r"lists\.sqlite differs from its hash"):
        rollback(shop)
    assert read_current(shop).publication_id == last


def test_rollback_heals_an_unreadable_pointer(shop, two_nights):
    (shop.publications / POINTER).write_text("")
    assert rollback(shop) == {"publication_id": two_nights[1], "previous": None}


def test_a_rollback_killed_at_the_flip_changes_nothing(shop, two_nights, monkeypatch):
    pointer = read_json(shop.publications / POINTER)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("killed")))
    with pytest.raises(OSError, match="killed"):
        rollback(shop)
    assert read_json(shop.publications / POINTER) == pointer


def test_a_second_holder_of_the_lock_is_refused_and_told_by_whom(shop):
    with (
        publish_lock(shop),
        pytest.raises(PublishLockedError, match=f"held by process {os.getpid()}"),
        publish_lock(shop),
    ):
        pass
    with publish_lock(shop):
        pass


def test_rollback_waits_for_nobody(shop, two_nights):
    with publish_lock(shop), pytest.raises(PublishLockedError):
        rollback(shop)

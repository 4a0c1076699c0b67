from __future__ import annotations

import os
import random

import pytest

from pipelines.base.current import (
    MANIFEST,
    MANIFEST_HASH,
    POINTER,
    find_current,
    publish_lock,
    read_current,
    read_publication,
    stored_ids,
)
from pipelines.base.durable import file_sha256, read_json, write_json, write_text
from pipelines.base.errors import PublicationNotFoundError, PublishLockedError
from pipelines.publications.choose import pin


def test_current_is_the_publication_the_pointer_names(shop, two_nights):
    current = read_current(shop, verify=True)
    assert current.publication_id == two_nights[1]
    assert current.manifest["publication_id"] == two_nights[1]
    assert stored_ids(shop) == list(two_nights)


def test_before_the_first_night_nothing_is_live(shop):
    with pytest.raises(PublicationNotFoundError, match="A publication must be live. Found no"):
        read_current(shop)
    assert find_current(shop) is None and stored_ids(shop) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'"text"', b"null", b"[" * 100_000],
)
def test_an_unreadable_pointer_is_refused(shop, one_night, content):
    (shop.publications / POINTER).write_bytes(content)
    with pytest.raises(PublicationNotFoundError, match=f"There are: {one_night}"):
        read_current(shop)


@pytest.mark.parametrize("named", ["2024-03-10-00000000", "../../etc", "", "2024-03-10"])
def test_a_pointer_to_what_is_not_there_is_refused(shop, one_night, named):
    write_json(shop.publications / POINTER, {"publication_id": named, "manifest_sha256": ""})
    with pytest.raises(PublicationNotFoundError, match="A publication must be in"):
        read_current(shop)


def damaged_files(folder, rng):
    """Each of 200 flipped bits and 20 truncations, spread over all files of a publication."""
    paths = sorted(folder.iterdir())
    for number in range(220):
        path = paths[number % len(paths)]
        content = path.read_bytes()
        position = rng.randrange(len(content))
        flipped = content[position] ^ 1 << rng.randrange(8)
        rest = content[position + 1 :] if number < 200 else b""
        middle = bytes([flipped]) if number < 200 else b""
        path.write_bytes(content[:position] + middle + rest)
        yield
        path.write_bytes(content)


def test_of_200_flipped_bits_and_20_truncations_all_are_refused(shop, two_nights, capsys):
    before, last = two_nights
    folder = shop.publications / before
    refused = 0
    for _ in damaged_files(folder, random.Random(4)):
        for choose in (read_publication, pin):
            with pytest.raises(PublicationNotFoundError, match=f"Found {before} damaged"):
                choose(shop, before)
        assert read_current(shop, verify=True).publication_id == last
        refused += 1
    with capsys.disabled():
        files = ", ".join(sorted(path.name for path in folder.iterdir()))
        print(f"\n{refused} of 220 damaged publications refused ({files}); live stayed {last}")
    assert refused == 220 and read_publication(shop, before).publication_id == before


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
    with pytest.raises(PublicationNotFoundError, match=r"changed since CURRENT\.json was written"):
        read_current(shop)


def test_a_second_holder_of_the_lock_is_refused_and_told_by_whom(shop):
    with (
        publish_lock(shop),
        pytest.raises(PublishLockedError, match=f"held by process {os.getpid()}"),
        publish_lock(shop),
    ):
        pass
    with publish_lock(shop):
        pass


@pytest.mark.parametrize(
    ("files", "damage"),
    [
        ({}, "has no hash of lists.sqlite"),
        ({"serving.duckdb": {"sha256": ""}}, "has no hash of lists.sqlite"),
        ({"lists.sqlite": {"sha256": ""}}, "has no hash of serving.duckdb"),
        (["lists.sqlite", "serving.duckdb"], "'list' object has no attribute 'items'"),
        ({"/dev/zero": {"sha256": ""}}, "'/dev/zero' is no file of the publication"),
        ({"../publish.lock": {"sha256": ""}}, "is no file of the publication"),
        ({"zero": {"sha256": ""}}, "'zero' is no file of the publication"),
    ],
)
def test_a_manifest_must_name_the_files_of_its_folder_and_no_others(shop, one_night, files, damage):
    folder = shop.publications / one_night
    (folder / "zero").symlink_to("/dev/zero")
    manifest = read_json(folder / MANIFEST)
    if isinstance(files, dict) and any("zero" in name or "/" in name for name in files):
        files = {**files, **manifest["files"]}
    write_json(folder / MANIFEST, {**manifest, "files": files})
    write_text(folder / MANIFEST_HASH, f"{file_sha256(folder / MANIFEST)}\n")
    with pytest.raises(PublicationNotFoundError, match=damage):
        read_publication(shop, one_night, verify=True)

from __future__ import annotations

import pytest

from pipelines.base.current import PIN, POINTER, stored_ids
from pipelines.base.durable import file_sha256, read_json, write_json, write_text
from pipelines.base.errors import PublicationNotFoundError, SettingsError
from pipelines.publications.choose import pin
from pipelines.publications.publish import empty_staging
from pipelines.publications.stored import find_publication, list_publications


def states(found):
    return {
        row["publication_id"]: [name for name in ("live", "current", "pinned") if row[f"is_{name}"]]
        for row in found["publications"]
    }


def test_every_publication_is_listed_with_what_its_manifest_says(shop, two_nights):
    before, last = two_nights
    found = list_publications(shop)
    assert states(found) == {before: [], last: ["live", "current"]}
    row = found["publications"][1]
    assert (row["as_of"], row["user_count"], row["row_count"]) == ("2024-03-11", 12, 120)
    assert row["models"] == {"discover": "item_knn", "for_you": "personal_frequency"}
    assert row["byte_count"] == sum(
        path.stat().st_size for path in (shop.publications / last).iterdir()
    )
    assert (row["is_sound"], row["damage"], found["problems"]) == (None, None, [])


def test_a_pin_is_marked(shop, two_nights):
    before, last = two_nights
    pin(shop, before)
    assert states(list_publications(shop)) == {before: ["live", "pinned"], last: ["current"]}


def test_a_home_without_publications_has_none(shop):
    found = list_publications(shop)
    assert found["publications"] == [] and found["live_id"] is None
    assert "Run a night first" in found["problems"][0]


def test_damage_is_found_when_it_is_looked_for(shop, two_nights):
    before, _ = two_nights
    path = shop.publications / before / "serving.duckdb"
    path.write_bytes(path.read_bytes()[:-1])
    assert [row["is_sound"] for row in list_publications(shop)["publications"]] == [None, None]
    first, second = list_publications(shop, verify=True)["publications"]
    assert (first["is_sound"], second["is_sound"]) == (False, True)
    assert "serving.duckdb differs from its hash" in first["damage"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]"])
def test_a_manifest_that_is_gone_or_broken_is_damage_too(shop, two_nights, content):
    manifest = shop.publications / two_nights[0] / "manifest.json"
    manifest.unlink()
    if content is not None:
        manifest.write_bytes(content)
    first = list_publications(shop, verify=True)["publications"][0]
    assert first["is_sound"] is False and first["user_count"] is None


@pytest.mark.parametrize("name", [PIN, POINTER])
def test_a_broken_pointer_is_told_and_the_rest_is_listed(shop, two_nights, name):
    (shop.publications / name).write_text("{")
    found = list_publications(shop)
    assert len(found["publications"]) == 2 and found["live_id"] is None
    assert len(found["problems"]) == 1 and name in found["problems"][0]


def test_names_stand_for_publications(shop, two_nights):
    before, last = two_nights
    assert find_publication(shop, "live").publication_id == last
    assert find_publication(shop, "previous").publication_id == before
    pin(shop, before)
    assert find_publication(shop, "live").publication_id == before
    assert find_publication(shop, "current").publication_id == last
    assert find_publication(shop, last).publication_id == last


def test_a_name_that_means_nothing_is_refused(shop, two_nights):
    with pytest.raises(SettingsError, match="live, previous, current. Got '../../x'"):
        find_publication(shop, "../../x")
    with pytest.raises(PublicationNotFoundError, match="Found no '2024-01-01-00000000'"):
        find_publication(shop, "2024-01-01-00000000")


def test_stray_files_and_folders_are_no_publications(shop, two_nights):
    for name in ("2024-02-30-0a1b2c3d", "notes", ".x.old", "CURRENT.json.7.tmp", "[a]*?"):
        (shop.publications / name).mkdir()
        (shop.publications / name / "manifest.json").write_text("{}")
    (shop.publications / "2024-03-01-00000000").write_text("a file")
    (shop.publications / "2024-03-02-00000000").mkdir()
    (shop.publications / "2024-03-02-00000000" / "manifest.json").mkdir()
    (shop.publications / two_nights[0] / "broken").symlink_to("nowhere")
    assert stored_ids(shop) == list(two_nights)
    found = list_publications(shop, verify=True)["publications"]
    assert [(row["publication_id"], row["is_sound"]) for row in found] == [
        ("2024-03-02-00000000", False),
        *((name, True) for name in two_nights),
    ]
    empty_staging(shop)
    assert stored_ids(shop) == list(two_nights)


@pytest.mark.parametrize("models", [[], "x", {"discover": ["x"]}, 3])
def test_a_manifest_of_another_form_is_listed(shop, one_night, models):
    folder = shop.publications / one_night
    write_json(folder / "manifest.json", {"publication_id": one_night, "models": models})
    (row,) = list_publications(shop)["publications"]
    assert not any(row["models"].values())


def test_a_truncated_file_that_no_manifest_names_is_not_sound(shop, one_night):
    folder = shop.publications / one_night
    write_json(folder / "manifest.json", {**read_json(folder / "manifest.json"), "files": {}})
    write_text(folder / "manifest.json.sha256", f"{file_sha256(folder / 'manifest.json')}\n")
    (folder / "lists.sqlite").write_bytes(b"")
    (row,) = list_publications(shop, verify=True)["publications"]
    assert row["is_sound"] is False and "has no hash of lists.sqlite" in row["damage"]


def test_files_that_name_people_are_read_by_their_owner_and_group_only(shop, one_night):
    for path in (shop.publications / one_night).iterdir():
        assert path.stat().st_mode & 0o137 == 0, path

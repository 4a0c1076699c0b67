from __future__ import annotations

import pytest

from pipelines.base.current import PIN, POINTER
from pipelines.base.errors import PublicationNotFoundError, SettingsError
from pipelines.publications.choose import pin
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

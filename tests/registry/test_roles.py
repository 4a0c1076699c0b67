from __future__ import annotations

from pipelines.registry.roles import model_version, read_role


def test_model_version_names_candidate_specification_and_night(night):
    holder = {"name": "ease", "spec_hash": "0123456789ab"}
    assert model_version(holder, night) == "ease-0123456789ab@2024-03-01"


def test_role_that_nobody_has_is_none(shop, night):
    assert read_role(shop, night, "discover", "challenger") is None


def test_role_is_read_from_its_folder(shop, night):
    folder = shop.run_folder(night).role("discover", "champion")
    folder.mkdir(parents=True)
    (folder / "role.json").write_text('{"candidate": "ease"}')
    assert read_role(shop, night, "discover", "champion") == {"candidate": "ease"}

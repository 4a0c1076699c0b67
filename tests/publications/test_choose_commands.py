from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.current import read_current


@pytest.fixture
def recsys(shop, shop_config):
    """Run a verb on the shop's home."""

    def run(*words):
        return CliRunner().invoke(
            cli,
            [*words, "--home", str(shop.home), "--config", str(shop_config)],
            catch_exceptions=False,
        )

    return run


def test_verbs_say_what_is_live_and_how_long(shop, two_nights, recsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    before, last = two_nights
    assert recsys("rollback").stdout == (
        f"Live: {before} (before: {last}; stays until `recsys unpin`)\n"
    )
    assert recsys("unpin").stdout == f"Live: {last} (unpinned: {before})\n"
    assert recsys("unpin").stdout == f"Live: {last} (nothing was pinned)\n"
    assert recsys("rollback", "--until-next-night").stdout.endswith("stays until the next night)\n")
    assert recsys("pin", last).stdout == (
        f"Live: {last} (before: {before}; stays until `recsys unpin`)\n"
    )
    assert read_current(shop).publication_id == last


def test_answers_for_programs_are_json(two_nights, recsys):
    before, last = two_nights
    assert json.loads(recsys("pin", "--json").stdout) == {
        "publication_id": last,
        "previous": last,
    }
    assert json.loads(recsys("rollback", "--to", before, "--json").stdout)["is_pinned"] is True
    assert json.loads(recsys("unpin", "--json").stdout)["unpinned"] == before

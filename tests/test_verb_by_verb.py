"""A night run by hand, verb by verb as the README lists them, ends as the night of the DAG."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.current import read_current
from pipelines.base.warehouse import connect, fingerprint_tables
from tests.conftest import SHOP_SETTINGS, shop_night

README = Path(__file__).parent.parent / "README.md"


def verbs_of_the_readme():
    """The verbs that the README names for running parts of a night by hand, in its order."""
    sentence = re.search(r"One by one:\s+(.*?) run a night by hand", README.read_text(), re.S)
    return re.findall(r"`([a-z]+)`", sentence.group(1))


@pytest.mark.slow
def test_the_verbs_of_the_readme_end_in_the_tables_of_a_whole_night(small_shop, shop_after):
    settings = small_shop("by_hand")
    options = ["--home", str(settings.home), "--config", str(SHOP_SETTINGS)]
    for verb in verbs_of_the_readme():
        arguments = [verb, "--as-of", shop_night(10).isoformat(), *options]
        result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert result.exit_code == 0, f"{verb}: {result.output}"
    whole = shop_after(10)
    assert read_current(settings).publication_id == read_current(whole).publication_id
    tables = []
    for one in (settings, whole):
        with connect(one, read_only=True) as warehouse:
            tables.append(fingerprint_tables(warehouse))
    assert tables[0] == tables[1]

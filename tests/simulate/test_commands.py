from __future__ import annotations

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.config import PROJECT_ROOT


@pytest.mark.slow
def test_a_simulation_ends_with_the_truth_beside_what_was_found(tmp_path):
    words = ["simulate", "--config", str(PROJECT_ROOT / "docs" / "demo" / "shop.toml")]
    words += ["--home", str(tmp_path / "home"), "--users", "600", "--items", "60", "--days", "1"]
    done = CliRunner().invoke(cli, [*words, "--experiment", "tastes"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "longer: true lift of ctr " in done.output
    pages = list((tmp_path / "home" / "experiments" / "tastes").glob("*/report.html"))
    assert len(pages) == 1 and "The truth" in pages[0].read_text()


def test_a_simulation_needs_settings_of_its_own():
    done = CliRunner().invoke(cli, ["simulate"])
    assert done.exit_code == 2 and "--config" in done.output

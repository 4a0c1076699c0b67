from __future__ import annotations

from pipelines.recommend.report import build_report
from pipelines.recommend.report_markdown import markdown_table, to_markdown


def test_the_file_has_the_sections_of_the_night(shop, report_home):
    text = to_markdown(build_report(shop, report_home))
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Night of 2024-03-11",
        "## Loaded",
        "## discover",
        "## for_you",
        "## Published",
        "## Customer u00 (heavy)",
        "## Customer u01 (light)",
        "## Customer u02 (new)",
        "## Next",
    ]


def test_tables_hold_figures_reasons_and_titles(shop, report_home):
    text = to_markdown(build_report(shop, report_home))
    assert "| item_knn | .2000 [.1900, .2100] |  | .1000 | 25.0% | 700 | champion |" in text
    assert "**Kept:** personal_frequency; item_knn against it: NDCG@10 " in text
    assert "\n* First night: the best baseline" in text and "\xa0" not in text
    assert "beats_champion in words" in text and "**fails**" in text
    assert "| 2024-03-10 purchase Item number 0 | 1. Item number" in text
    assert "```sh\n" in text


def test_every_row_of_a_table_has_as_many_cells_as_its_head(shop, report_home):
    report = build_report(shop, report_home)
    report["customers"][0]["lists"]["discover"][0]["title"] = "A|B\nC"
    text = to_markdown(report)
    assert "A\\|B C" in text
    blocks = [block for block in text.split("\n\n") if block.startswith("| ")]
    for block in blocks:
        counts = {line.replace("\\|", "").count("|") for line in block.splitlines()}
        assert len(counts) == 1


def test_an_empty_cell_stays_empty():
    assert markdown_table(["a"], [[None]]) == "| a |\n| --- |\n|  |"


def test_what_is_missing_is_said_to_be_missing(shop, make_night):
    text = to_markdown(build_report(shop, make_night()))
    assert "the load did not end" in text and "Nothing was published" in text

from __future__ import annotations

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.audit.audit import audit_lists
from pipelines.audit.similar import audit_similar
from pipelines.base.durable import read_json, write_json
from pipelines.lists.similar_items import SIMILAR_SCHEMA


@pytest.fixture
def audited(shop, make_lists):
    """Findings by rule, after the rows of the file were changed."""
    night = make_lists()
    path = shop.run_folder(night).similar

    def audit(change=None, unfed=(), show=None):
        if change is not None:
            rows = change(pq.read_table(path).to_pandas())
            pq.write_table(pa.Table.from_pandas(rows, SIMILAR_SCHEMA, preserve_index=False), path)
        with duckdb.connect() as connection:
            items = pd.DataFrame({"item_id": [f"i{n:02}" for n in range(14)]})
            items["is_in_feed"] = ~items["item_id"].isin(unfed)
            items["is_available"] = items["item_id"] != "i13"
            connection.register("items", items)
            similar = shop.similar.model_copy(update={"show_items_without_feed": show})
            settings = shop.model_copy(update={"similar": similar})
            return {one.rule: one for one in audit_similar(connection, settings, night)}

    audit.path, audit.night = path, night
    return audit


def changed(column, value, row=0):
    def change(rows):
        rows.loc[row, column] = value
        return rows

    return change


def test_sound_lists_pass(audited):
    findings = audited()
    assert len(findings) == 7 and all(finding.passed for finding in findings.values())
    assert findings["min_share"].found == 1.0


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("ranks", changed("rank", 7)),
        ("itself", lambda rows: rows.assign(similar_item_id=rows["item_id"])),
        ("items", changed("similar_item_id", "i13")),
        ("items", changed("similar_item_id", "nothing")),
        ("scores", changed("score", float("nan"))),
        ("scores", changed("score", -1.0)),
        ("duplicates", lambda rows: rows.assign(similar_item_id="i00")),
    ],
)
def test_a_broken_row_is_found(audited, rule, change):
    finding = audited(change)[rule]
    assert not finding.passed and finding.found > 0


@pytest.mark.parametrize(("show", "passed"), [(None, False), (False, False), (True, True)])
def test_an_item_in_no_feed_fails_unless_such_are_shown(audited, show, passed):
    assert audited(unfed=["i03"], show=show)["in_feed"].passed is passed
    everything = [f"i{number:02}" for number in range(14)]
    assert audited(unfed=everything, show=show)["in_feed"].passed is (show is not False)


def test_too_few_lists_fail(audited):
    summary = audited.path.with_suffix(".json")
    write_json(summary, {**read_json(summary), "lists_with_history": 2})
    assert not audited()["min_share"].passed


def test_a_missing_file_fails_and_nothing_is_published(audited, shop):
    audited.path.unlink()
    assert not audited()["readable"].passed
    with pytest.raises(Exception, match="similar/items: readable"):
        audit_lists(shop, audited.night)

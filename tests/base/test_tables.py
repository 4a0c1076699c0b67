from __future__ import annotations

from pipelines.base.tables import DBT_TABLES, PYTHON_TABLES, Table


def test_every_key_is_made_of_columns():
    for table in (*PYTHON_TABLES, *DBT_TABLES):
        assert set(table.key) <= set(table.columns), table.qualified


def test_names_are_unique():
    names = [table.qualified for table in (*PYTHON_TABLES, *DBT_TABLES)]
    assert len(set(names)) == len(names)


def test_ddl_lists_columns_in_order():
    table = Table("raw", "things", "one row per thing", ("a",), {"a": "VARCHAR", "b": "DOUBLE"})
    assert table.ddl() == "create table if not exists raw.things (a VARCHAR, b DOUBLE)"


def test_times_and_days_are_named_for_what_they_are():
    for table in (*PYTHON_TABLES, *DBT_TABLES):
        for column, kind in table.columns.items():
            assert column.endswith("_at") == (kind == "TIMESTAMP") or column in {
                "valid_from",
                "valid_to",
            }
            assert not column.startswith("is_") or kind == "BOOLEAN"

"""What a publication knows of users and items beside the lists, so that answers obey the rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipelines.base.settings_sections import PlacementSettings
from pipelines.rules.boosts import attributes_read
from pipelines.rules.eligibility import Eligibility, rows_of_frame
from pipelines.rules.eligible_groups import needs_consent

#: Tables of `lists.sqlite`: their key and a JSON object, or a list's payload.
TABLES = {"people": "user_id", "item_attributes": "item_id", "pools": "placement"}
_POOL_ROWS = """
select placement, to_json({
    'items': item_ids, 'scores': scores,
    'labels': [{'from_rank': 1, 'strategy': strategy, 'reason': reason}],
    'model_version': model_version
})::varchar
from read_parquet($1)
"""


def create_people_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables, without rows."""
    for table, key in TABLES.items():
        connection.execute(f"create or replace table {table} ({key} varchar, payload varchar)")


def fill_people_tables(
    connection: duckdb.DuckDBPyConnection,
    placements: Mapping[str, PlacementSettings],
    catalogue: pd.DataFrame,
    users: pd.DataFrame,
    pools: list[Path],
) -> None:
    """Fill the tables of a night: of users, only what a rule reads.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the tables of `create_people_tables`.
    placements : mapping of str to PlacementSettings
    catalogue : DataFrame
        One row per item_id, with `attributes`.
    users : DataFrame
        One row per user_id of a users feed.
    pools : list of Path
        Of `POOL_SCHEMA`.
    """
    packed = catalogue.reindex(columns=["item_id", "attributes"]).dropna()
    _insert(connection, "item_attributes", packed["item_id"], packed["attributes"])
    names = {
        name
        for one in placements.values()
        for name in {*Eligibility(one.eligible).user_names, *attributes_read(one.boosts)[1]}
    }
    if any(needs_consent(one, users) for one in placements.values()):
        names |= {"consent"}
    columns = rows_of_frame(users, sorted(names - {"user_id"}))
    rows = [
        _packed(dict(zip(columns, one, strict=True))) for one in zip(*columns.values(), strict=True)
    ]
    if rows:
        known = pd.Series(rows, dtype=object)
        is_known = (known != "{}").to_numpy()
        _insert(
            connection, "people", users["user_id"].reset_index(drop=True)[is_known], known[is_known]
        )
    for path in pools:
        connection.execute(f"insert into pools {_POOL_ROWS}", [str(path)])


def _packed(row: dict[str, Any]) -> str:
    known = {name: value for name, value in row.items() if value is not None}
    return json.dumps(known, ensure_ascii=False, sort_keys=True)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, keys: pd.Series, payloads: pd.Series
) -> None:
    frame = pd.DataFrame({"key": keys.to_numpy(object), "payload": payloads.to_numpy(object)})
    if frame.empty:
        return
    connection.register("frame", frame)
    connection.execute(f"insert into {table} select key, payload from frame order by key")
    connection.unregister("frame")


def hash_with_people(
    connection: duckdb.DuckDBPyConnection,
    content: str,
    placements: Mapping[str, PlacementSettings],
) -> str:
    """Hash of a night's lists and of what answers need beside them.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With filled tables.
    content : str
        `logical_hash` of the lists; returned as it is where no rule needs more.
    placements : mapping of str to PlacementSettings
    """
    rules = {
        name: [
            one.eligible,
            one.personalise_without_consent,
            *(boost.model_dump() for boost in one.boosts),
        ]
        for name, one in placements.items()
    }
    known = [
        connection.execute(
            f"select count(*), bit_xor(hash({key}, payload)) from {table}"
        ).fetchall()[0]
        for table, key in TABLES.items()
    ]
    has_rules = any(
        one.eligible or one.boosts or one.personalise_without_consent is not None
        for one in placements.values()
    )
    if not has_rules and not any(count for count, _ in known):
        return content
    return hashlib.sha256(json.dumps([content, rules, known]).encode()).hexdigest()


def stored_rules(placement: PlacementSettings, users: pd.DataFrame) -> dict[str, Any]:
    """Settings of a placement as the night understood them, where they were left open."""
    return {
        "eligible": list(placement.eligible),
        "personalise_without_consent": not needs_consent(placement, users),
    }

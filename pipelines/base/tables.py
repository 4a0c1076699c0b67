"""Every table that is shared between stages: name, grain, key and columns with their types.

Timestamps are UTC without a zone. Python writes `raw` and `serving`, which are spelled here; dbt
writes the rest, which the YAML of its project describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipelines.base.config import DBT_PROJECT


@dataclass(frozen=True)
class _Named:
    schema: str
    name: str

    @property
    def qualified(self) -> str:
        """Name of the table with its schema, as written in SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Table(_Named):
    """Contract of a table that Python writes.

    Parameters
    ----------
    schema, name : str
        Where it is.
    grain : str
        What one row is.
    key : tuple of str
        Columns that identify a row; empty if rows are only identified by position.
    columns : mapping of str to str
        Column name to DuckDB type, in order.
    """

    grain: str
    key: tuple[str, ...]
    columns: Mapping[str, str]

    def ddl(self) -> str:
        """SQL statement that creates the table if it does not exist."""
        body = ", ".join(f"{column} {kind}" for column, kind in self.columns.items())
        return f"create table if not exists {self.qualified} ({body})"


@dataclass(frozen=True)
class DbtTable(_Named):
    """A table that dbt writes, as the YAML of its dbt model describes it.

    Parameters
    ----------
    schema, name : str
        Where it is; the YAML is `models/<schema>/<name>.yml`, and is read when it is asked for.
    """

    @property
    def grain(self) -> str:
        """What one row is: the first sentence of the description."""
        return str(self._described["description"]).partition(".")[0]

    @property
    def key(self) -> tuple[str, ...]:
        """Columns that identify a row, which dbt tests."""
        (test,) = self._described["data_tests"]
        return tuple(test["rows_hold"]["arguments"]["key"])

    @property
    def columns(self) -> Mapping[str, str]:
        """Column name to DuckDB type, in order."""
        columns = self._described["columns"]
        kinds = {column["name"]: column["data_type"].upper() for column in columns}
        return {name: "VARCHAR" if kind == "STRING" else kind for name, kind in kinds.items()}

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        import yaml

        path = DBT_PROJECT / "models" / self.schema / f"{self.name}.yml"
        described: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["models"][0]
        return described


def dbt_tables() -> list[DbtTable]:
    """Every dbt model, sorted by schema and name."""
    files = sorted((DBT_PROJECT / "models").glob("*/*.sql"))
    return [DbtTable(path.parent.name, path.stem) for path in files]


#: Columns of an event; an event_id that is not given is derived from them, so they never change.
PAYLOAD_COLUMNS = {
    "event_id": "VARCHAR",
    "event_type": "VARCHAR",
    "user_id": "VARCHAR",
    "item_id": "VARCHAR",
    "event_at": "TIMESTAMP",
    "value": "DOUBLE",
    "price": "DOUBLE",
    "session_id": "VARCHAR",
    "request_id": "VARCHAR",
    "position": "INTEGER",
    "experiment_id": "VARCHAR",
    "variant": "VARCHAR",
    "publication_id": "VARCHAR",
}
EVENT_COLUMNS = {
    **PAYLOAD_COLUMNS,
    "placement": "VARCHAR",
    "source": "VARCHAR",
    "bucket": "INTEGER",
    "config_hash": "VARCHAR",
    "lists_differ": "BOOLEAN",
    "propensity": "DOUBLE",
    "team": "VARCHAR",
}
ITEM_COLUMNS = {
    "item_id": "VARCHAR",
    "title": "VARCHAR",
    "category": "VARCHAR",
    "price": "DOUBLE",
    "is_available": "BOOLEAN",
    "valid_from": "TIMESTAMP",
    "attributes": "VARCHAR",
}
USER_COLUMNS = {
    "user_id": "VARCHAR",
    "country": "VARCHAR",
    "language": "VARCHAR",
    "age": "DOUBLE",
    "consent": "BOOLEAN",
    "valid_from": "TIMESTAMP",
    "attributes": "VARCHAR",
}

RAW_EVENTS = Table(
    "raw",
    "events",
    "one row per event_id and landed_date",
    ("landed_date", "event_id"),
    {"landed_date": "DATE", **EVENT_COLUMNS},
)
RAW_ITEMS = Table(
    "raw",
    "items",
    "one row per item_id, valid_from and landed_date",
    ("landed_date", "item_id", "valid_from"),
    {"landed_date": "DATE", **ITEM_COLUMNS},
)
RAW_USERS = Table(
    "raw",
    "users",
    "one row per user_id, valid_from and landed_date",
    ("landed_date", "user_id", "valid_from"),
    {"landed_date": "DATE", **USER_COLUMNS},
)
RAW_QUARANTINE = Table(
    "raw",
    "quarantine",
    "one row per bad row of a day file",
    ("quarantine_id",),
    {
        "quarantine_id": "VARCHAR",
        "landed_date": "DATE",
        "feed": "VARCHAR",
        "reason": "VARCHAR",
        "payload": "VARCHAR",
        "is_released": "BOOLEAN",
        "released_payload": "VARCHAR",
    },
)
RAW_LOADS = Table(
    "raw",
    "loads",
    "one row per feed and landed_date that is loaded",
    ("feed", "landed_date"),
    {
        "feed": "VARCHAR",
        "landed_date": "DATE",
        "fingerprint": "VARCHAR",
        "row_count": "BIGINT",
        "duplicate_count": "BIGINT",
        "quarantined_count": "BIGINT",
        "file_times": "VARCHAR",
    },
)

SERVING_CANDIDATE_METRICS = Table(
    "serving",
    "candidate_metrics",
    "one row per as_of, placement, time_window, candidate, segment and metric",
    ("as_of", "placement", "time_window", "candidate", "segment", "metric"),
    {
        "as_of": "DATE",
        "placement": "VARCHAR",
        "time_window": "VARCHAR",
        "candidate": "VARCHAR",
        "spec_hash": "VARCHAR",
        "segment": "VARCHAR",
        "metric": "VARCHAR",
        "value": "DOUBLE",
        "low": "DOUBLE",
        "high": "DOUBLE",
        "user_count": "BIGINT",
    },
)
SERVING_RULE_PRICES = Table(
    "serving",
    "rule_prices",
    "one row per as_of, placement, candidate and rule, on the gate window",
    ("as_of", "placement", "candidate", "rule"),
    {
        "as_of": "DATE",
        "placement": "VARCHAR",
        "candidate": "VARCHAR",
        "spec_hash": "VARCHAR",
        "rule": "VARCHAR",
        "ndcg_with": "DOUBLE",
        "ndcg_without": "DOUBLE",
        "difference": "DOUBLE",
        "low": "DOUBLE",
        "high": "DOUBLE",
        "coverage_with": "DOUBLE",
        "coverage_without": "DOUBLE",
        "user_count": "BIGINT",
    },
)
SERVING_GATE_DECISIONS = Table(
    "serving",
    "gate_decisions",
    "one row per as_of, placement, rule and subject",
    ("as_of", "placement", "rule", "subject"),
    {
        "as_of": "DATE",
        "placement": "VARCHAR",
        "rule": "VARCHAR",
        "subject": "VARCHAR",
        "challenger": "VARCHAR",
        "opponent": "VARCHAR",
        "threshold": "DOUBLE",
        "value": "DOUBLE",
        "low": "DOUBLE",
        "high": "DOUBLE",
        "user_count": "BIGINT",
        "users_needed": "BIGINT",
        "is_passed": "BOOLEAN",
        "reason": "VARCHAR",
    },
)
SERVING_CHAMPIONS = Table(
    "serving",
    "champions",
    "one row per as_of and placement",
    ("as_of", "placement"),
    {
        "as_of": "DATE",
        "placement": "VARCHAR",
        "candidate": "VARCHAR",
        "spec_hash": "VARCHAR",
        "spec": "VARCHAR",
        "previous_spec_hash": "VARCHAR",
        "challenger": "VARCHAR",
        "is_promoted": "BOOLEAN",
        "reason": "VARCHAR",
    },
)
SERVING_RECOMMENDATIONS = Table(
    "serving",
    "recommendations",
    "one row per publication_id, placement, variant, user_id and rank",
    ("publication_id", "placement", "variant", "user_id", "rank"),
    {
        "publication_id": "VARCHAR",
        "placement": "VARCHAR",
        "variant": "VARCHAR",
        "user_id": "VARCHAR",
        "rank": "INTEGER",
        "item_id": "VARCHAR",
        "score": "DOUBLE",
        "strategy": "VARCHAR",
        "reason": "VARCHAR",
        "model_version": "VARCHAR",
        "as_of": "DATE",
    },
)
SERVING_PUBLICATIONS = Table(
    "serving",
    "publications",
    "one row per publication_id",
    ("publication_id",),
    {
        "publication_id": "VARCHAR",
        "as_of": "DATE",
        "logical_hash": "VARCHAR",
        "user_count": "BIGINT",
        "row_count": "BIGINT",
        "generated_at": "TIMESTAMP",
    },
)

SERVING_PUBLICATION_MODELS = Table(
    "serving",
    "publication_models",
    "one row per publication_id, placement and variant",
    ("publication_id", "placement", "variant"),
    {
        "publication_id": "VARCHAR",
        "placement": "VARCHAR",
        "variant": "VARCHAR",
        "as_of": "DATE",
        "candidate": "VARCHAR",
        "recommender": "VARCHAR",
        "spec_hash": "VARCHAR",
        "specification": "VARCHAR",
        "model_version": "VARCHAR",
        "run_id": "VARCHAR",
    },
)
SERVING_PUBLICATION_METRICS = Table(
    "serving",
    "publication_metrics",
    "one row per publication_id, placement and variant, of every night that published",
    ("publication_id", "placement", "variant"),
    {
        "publication_id": "VARCHAR",
        "as_of": "DATE",
        "placement": "VARCHAR",
        "variant": "VARCHAR",
        "user_count": "BIGINT",
        "row_count": "BIGINT",
        "item_count": "BIGINT",
        "catalogue_item_count": "BIGINT",
        "coverage": "DOUBLE",
        "gini": "DOUBLE",
        "effective_item_count": "DOUBLE",
    },
)
SERVING_EXPERIMENT_EFFECTS = Table(
    "serving",
    "experiment_effects",
    "one row per as_of, experiment_id, arm, metric and population",
    ("as_of", "experiment_id", "arm", "metric", "population"),
    {
        "as_of": "DATE",
        "experiment_id": "VARCHAR",
        "arm": "VARCHAR",
        "metric": "VARCHAR",
        "population": "VARCHAR",
        "user_count": "BIGINT",
        "estimate": "DOUBLE",
        "standard_error": "DOUBLE",
        "low": "DOUBLE",
        "high": "DOUBLE",
        "p_value": "DOUBLE",
        "holm_p_value": "DOUBLE",
        "difference": "DOUBLE",
        "difference_low": "DOUBLE",
        "difference_high": "DOUBLE",
        "fixed_low": "DOUBLE",
        "fixed_high": "DOUBLE",
        "reason": "VARCHAR",
    },
)
SERVING_EXPERIMENT_DECISIONS = Table(
    "serving",
    "experiment_decisions",
    "one row per as_of, experiment_id and arm",
    ("as_of", "experiment_id", "arm"),
    {
        "as_of": "DATE",
        "experiment_id": "VARCHAR",
        "arm": "VARCHAR",
        "verdict": "VARCHAR",
        "reason": "VARCHAR",
        "user_count": "BIGINT",
        "is_healthy": "BOOLEAN",
        "sample_ratio_p_value": "DOUBLE",
    },
)
SERVING_EXPERIMENT_PREFERENCES = Table(
    "serving",
    "experiment_preferences",
    "one row per as_of, experiment_id and arm of an interleaved experiment",
    ("as_of", "experiment_id", "arm"),
    {
        "as_of": "DATE",
        "experiment_id": "VARCHAR",
        "arm": "VARCHAR",
        "user_count": "BIGINT",
        "arm_user_count": "BIGINT",
        "control_user_count": "BIGINT",
        "tied_user_count": "BIGINT",
        "share": "DOUBLE",
        "low": "DOUBLE",
        "high": "DOUBLE",
        "p_value": "DOUBLE",
        "reason": "VARCHAR",
    },
)

#: Tables Python writes; `warehouse.connect` creates them.
PYTHON_TABLES = (
    RAW_EVENTS,
    RAW_ITEMS,
    RAW_USERS,
    RAW_QUARANTINE,
    RAW_LOADS,
    SERVING_CANDIDATE_METRICS,
    SERVING_RULE_PRICES,
    SERVING_GATE_DECISIONS,
    SERVING_CHAMPIONS,
    SERVING_RECOMMENDATIONS,
    SERVING_PUBLICATIONS,
    SERVING_PUBLICATION_MODELS,
    SERVING_PUBLICATION_METRICS,
    SERVING_EXPERIMENT_EFFECTS,
    SERVING_EXPERIMENT_DECISIONS,
    SERVING_EXPERIMENT_PREFERENCES,
)

INT_USER_ITEM_DAYS = DbtTable("intermediate", "int_user_item_days")
INT_ITEM_VERSIONS = DbtTable("intermediate", "int_item_versions")
INT_SHOWN_ITEMS = DbtTable("intermediate", "int_shown_items")
FEAT_USERS = DbtTable("features", "feat_users")
FEAT_ITEMS = DbtTable("features", "feat_items")
FEAT_USER_ATTRIBUTES = DbtTable("features", "feat_user_attributes")
MET_LIST_DAYS = DbtTable("metrics", "met_list_days")
MET_EXPERIMENT_USERS = DbtTable("metrics", "met_experiment_users")
MET_INTERLEAVED_USERS = DbtTable("metrics", "met_interleaved_users")
#: Tables dbt writes for Python and for people to read.
DBT_TABLES = (
    INT_USER_ITEM_DAYS,
    INT_ITEM_VERSIONS,
    INT_SHOWN_ITEMS,
    DbtTable("features", "feat_user_items"),
    FEAT_USERS,
    FEAT_ITEMS,
    FEAT_USER_ATTRIBUTES,
    MET_LIST_DAYS,
    DbtTable("metrics", "met_publications"),
    MET_EXPERIMENT_USERS,
    MET_INTERLEAVED_USERS,
)

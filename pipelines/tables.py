"""Every table that crosses a stage: name, grain, key and columns with their types.

Timestamps are UTC without a zone. Python writes `raw` and `serving`; dbt writes the rest, and a
test compares these columns with the dbt project's YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table's contract.

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

    schema: str
    name: str
    grain: str
    key: tuple[str, ...]
    columns: Mapping[str, str]

    @property
    def qualified(self) -> str:
        """`schema.name`, as written in SQL."""
        return f"{self.schema}.{self.name}"

    def ddl(self) -> str:
        """Statement that creates the table if it is not there."""
        body = ", ".join(f"{column} {kind}" for column, kind in self.columns.items())
        return f"create table if not exists {self.qualified} ({body})"


#: What an event is made of; an id that is not given is derived from these, so they never change.
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
    },
)

INT_USER_ITEM_DAYS = Table(
    "intermediate",
    "int_user_item_days",
    "one row per user_id, item_id, event_type, event_date and landed_date",
    ("user_id", "item_id", "event_type", "event_date", "landed_date"),
    {
        "user_id": "VARCHAR",
        "item_id": "VARCHAR",
        "event_type": "VARCHAR",
        "event_date": "DATE",
        "landed_date": "DATE",
        "event_count": "BIGINT",
        "quantity": "DOUBLE",
        "revenue": "DOUBLE",
        "first_event_at": "TIMESTAMP",
        "last_event_at": "TIMESTAMP",
        "is_first_landing": "BOOLEAN",
        "landing_hash": "UBIGINT",
    },
)
INT_ITEM_VERSIONS = Table(
    "intermediate",
    "int_item_versions",
    "one row per item_id, valid_from and landed_date",
    ("item_id", "valid_from", "landed_date"),
    {
        "item_id": "VARCHAR",
        "valid_from": "TIMESTAMP",
        "landed_date": "DATE",
        "known_from_date": "DATE",
        "known_to_date": "DATE",
        "valid_to": "TIMESTAMP",
        "title": "VARCHAR",
        "category": "VARCHAR",
        "price": "DOUBLE",
        "is_available": "BOOLEAN",
    },
)
FEAT_USER_ITEMS = Table(
    "features",
    "feat_user_items",
    "one row per cutoff_date, user_id and item_id",
    ("cutoff_date", "user_id", "item_id"),
    {
        "cutoff_date": "DATE",
        "user_id": "VARCHAR",
        "item_id": "VARCHAR",
        "event_count": "BIGINT",
        "purchase_count": "BIGINT",
        "purchase_days": "BIGINT",
        "return_count": "BIGINT",
        "view_count": "BIGINT",
        "quantity": "DOUBLE",
        "revenue": "DOUBLE",
        "decayed_purchase_count": "DOUBLE",
        "first_event_at": "TIMESTAMP",
        "last_event_at": "TIMESTAMP",
        "days_since_last_event": "BIGINT",
    },
)
FEAT_USERS = Table(
    "features",
    "feat_users",
    "one row per cutoff_date and user_id",
    ("cutoff_date", "user_id"),
    {
        "cutoff_date": "DATE",
        "user_id": "VARCHAR",
        "event_count": "BIGINT",
        "purchase_count": "BIGINT",
        "return_count": "BIGINT",
        "item_count": "BIGINT",
        "active_days": "BIGINT",
        "repeat_share": "DOUBLE",
        "revenue": "DOUBLE",
        "first_event_at": "TIMESTAMP",
        "last_event_at": "TIMESTAMP",
        "days_since_last_event": "BIGINT",
        "days_since_first_event": "BIGINT",
        "segment": "VARCHAR",
    },
)
FEAT_ITEMS = Table(
    "features",
    "feat_items",
    "one row per cutoff_date and item_id",
    ("cutoff_date", "item_id"),
    {
        "cutoff_date": "DATE",
        "item_id": "VARCHAR",
        "title": "VARCHAR",
        "category": "VARCHAR",
        "price": "DOUBLE",
        "is_available": "BOOLEAN",
        "first_known_at": "TIMESTAMP",
        "event_count": "BIGINT",
        "user_count": "BIGINT",
        "purchase_count": "BIGINT",
        "purchase_count_14d": "BIGINT",
        "purchase_count_60d": "BIGINT",
        "purchase_trend": "DOUBLE",
        "last_event_at": "TIMESTAMP",
        "age_days": "BIGINT",
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

INT_SHOWN_ITEMS = Table(
    "intermediate",
    "int_shown_items",
    "one row per request_id and item_id",
    ("request_id", "item_id"),
    {
        "request_id": "VARCHAR",
        "item_id": "VARCHAR",
        "user_id": "VARCHAR",
        "served_at": "TIMESTAMP",
        "served_date": "DATE",
        "position": "INTEGER",
        "placement": "VARCHAR",
        "variant": "VARCHAR",
        "experiment_id": "VARCHAR",
        "publication_id": "VARCHAR",
        "source": "VARCHAR",
        "team": "VARCHAR",
        "propensity": "DOUBLE",
        "impression_at": "TIMESTAMP",
        "click_at": "TIMESTAMP",
        "purchase_count": "BIGINT",
        "revenue": "DOUBLE",
    },
)
MET_LIST_DAYS = Table(
    "metrics",
    "met_list_days",
    "one row per served_date, placement, experiment_id, variant, publication_id and source",
    ("served_date", "placement", "experiment_id", "variant", "publication_id", "source"),
    {
        "served_date": "DATE",
        "placement": "VARCHAR",
        "experiment_id": "VARCHAR",
        "variant": "VARCHAR",
        "publication_id": "VARCHAR",
        "source": "VARCHAR",
        "answer_count": "BIGINT",
        "user_count": "BIGINT",
        "served_item_count": "BIGINT",
        "distinct_item_count": "BIGINT",
        "impression_count": "BIGINT",
        "click_count": "BIGINT",
        "purchase_count": "BIGINT",
        "revenue": "DOUBLE",
        "ctr": "DOUBLE",
    },
)
MET_PUBLICATIONS = Table(
    "metrics",
    "met_publications",
    "one row per publication_id, placement, experiment_id and variant",
    ("publication_id", "placement", "experiment_id", "variant"),
    {
        "publication_id": "VARCHAR",
        "placement": "VARCHAR",
        "experiment_id": "VARCHAR",
        "variant": "VARCHAR",
        "first_served_at": "TIMESTAMP",
        "last_served_at": "TIMESTAMP",
        "answer_count": "BIGINT",
        "user_count": "BIGINT",
        "impression_count": "BIGINT",
        "click_count": "BIGINT",
        "ctr": "DOUBLE",
        "converted_user_count": "BIGINT",
        "conversion": "DOUBLE",
        "revenue": "DOUBLE",
        "shown_item_count": "BIGINT",
        "catalogue_item_count": "BIGINT",
        "coverage": "DOUBLE",
        "diversity": "DOUBLE",
        "fallback_share": "DOUBLE",
    },
)
MET_EXPERIMENT_USERS = Table(
    "metrics",
    "met_experiment_users",
    "one row per experiment_id and user_id",
    ("experiment_id", "user_id"),
    {
        "experiment_id": "VARCHAR",
        "user_id": "VARCHAR",
        "placement": "VARCHAR",
        "variant": "VARCHAR",
        "variant_count": "BIGINT",
        "bucket": "INTEGER",
        "config_hash": "VARCHAR",
        "config_hash_count": "BIGINT",
        "lists_differ": "BOOLEAN",
        "first_served_at": "TIMESTAMP",
        "answer_count": "BIGINT",
        "impression_count": "BIGINT",
        "click_count": "BIGINT",
        "purchase_count": "BIGINT",
        "revenue": "DOUBLE",
        "purchase_count_before": "BIGINT",
        "revenue_before": "DOUBLE",
    },
)
MET_INTERLEAVED_USERS = Table(
    "metrics",
    "met_interleaved_users",
    "one row per experiment_id, user_id and team",
    ("experiment_id", "user_id", "team"),
    {
        "experiment_id": "VARCHAR",
        "user_id": "VARCHAR",
        "team": "VARCHAR",
        "first_served_at": "TIMESTAMP",
        "shown_item_count": "BIGINT",
        "impression_count": "BIGINT",
        "click_count": "BIGINT",
    },
)

#: Tables Python writes; `warehouse.connect` creates them.
PYTHON_TABLES = (
    RAW_EVENTS,
    RAW_ITEMS,
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
#: Tables dbt writes and Python reads.
DBT_TABLES = (
    INT_USER_ITEM_DAYS,
    INT_ITEM_VERSIONS,
    INT_SHOWN_ITEMS,
    FEAT_USER_ITEMS,
    FEAT_USERS,
    FEAT_ITEMS,
    MET_LIST_DAYS,
    MET_PUBLICATIONS,
    MET_EXPERIMENT_USERS,
    MET_INTERLEAVED_USERS,
)

"""Sections of the settings of a night: each key with its unit, bounds and reason.

Every key is in `recsys.toml` with a comment, and a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.base.expressions import parse_condition

#: Start of the name of a type that an event counts as when its value is below `events.min_value`.
LOW = "low_"


class Section(BaseModel):
    """Base of every section of the settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EventSettings(Section):
    """Event types, their weights, and the limits on bad, late and missing rows."""

    types: tuple[str, ...] = (
        "view",
        "click",
        "add_to_cart",
        "purchase",
        "rating",
        "return",
        "impression",
        "served",
    )
    """Event types accepted by the load; any other type is quarantined."""
    nobody: tuple[str, ...] = (
        "nan",
        "none",
        "null",
        "na",
        "n/a",
        "#n/a",
        "\\N",
        "undefined",
        "<null>",
        "<na>",
        "(null)",
        "(none)",
        "(not set)",
    )
    """Texts in the place of an id that mean nobody or nothing, whatever their case."""
    exposures: tuple[str, ...] = ("impression", "served")
    """Types that record what a user was shown; left out of histories and features."""
    weights: Mapping[str, float] = Field(
        default_factory=lambda: {"view": 1.0, "click": 1.0, "add_to_cart": 3.0, "purchase": 5.0}
    )
    """Weight of one event of a type in a history; types left out weigh nothing."""
    min_value: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        default_factory=dict
    )
    """By type: least `value` of an event that counts as one; a lower one counts as ``low_<type>``.
    Types whose value is a number of units (purchase, return, add_to_cart) have none."""
    below_min_value: Literal["return", "nothing"] = "return"
    """What an event below `min_value` weighs: what a return weighs, or nothing."""
    negative_quantity: Literal["return", "refuse"] = "return"
    """What a purchase of a negative `value` is: a return of as many units, or a bad row."""
    user_share_warn: float = Field(0.2, gt=0, le=1)
    """Share of all events by one user from which the check names the user; 1 is never."""
    item_user_share_warn: float = Field(0.5, gt=0, le=1)
    """Share of an item's events by one user from which the check names both; 1 is never."""
    user_share_quarantine: float = Field(1.0, gt=0, le=1)
    """Share of a day's events by one user from which that user's rows are bad; 1 is never."""
    user_share_min_events: int = Field(100, ge=1)
    """Events below which no user's share is looked at, so that quiet days warn of nobody."""
    lookback_days: int = Field(3, ge=0, le=366)
    """Days an event may be late: files of this many days before the newest are read every night."""
    max_quarantine_share: float = Field(0.01, ge=0, le=1)
    """Share of bad rows above which a day fails before anything changes."""
    volume_drop_warn: float = Field(0.4, ge=0, le=1)
    """A day this share below the mean of the days before it gets a warning."""
    volume_rise_warn: float = Field(0.6, ge=0)
    """A day this share above the mean of the days before it gets a warning."""
    volume_drop_fail: float = Field(0.95, ge=0, le=1)
    """The night stops if the last seven days are this share below the 28 days before them."""

    @model_validator(mode="after")
    def _check_types(self) -> EventSettings:
        if low := [name for name in self.types if name.startswith(LOW)]:
            raise ValueError(f"no type may start with {LOW!r}, the mark of low values. Got {low}")
        judged = set(self.types) - {*self.exposures, "purchase", "return", "add_to_cart"}
        if unknown := sorted(set(self.min_value) - judged):
            raise ValueError(
                "min_value must name types whose value is a degree, such as the stars of a rating: "
                f"one of {sorted(judged)}. Got {unknown}"
            )
        return self

    @property
    def refuses_negative_quantity(self) -> bool:
        """Whether a purchase of a negative quantity is a bad row, also where no type is return."""
        return self.negative_quantity == "refuse" or "return" not in self.types

    def first_day_to_recheck(self, as_of: date) -> date:
        """The oldest day whose files a night reads even if nothing tells that they changed.

        The newest day is the one before `as_of`; an event that arrives in its last minute,
        `lookback_days` late, happened in the last minute of the day returned.
        """
        return as_of - timedelta(days=1 + self.lookback_days)


class WarehouseSettings(Section):
    """Limits of the embedded database."""

    memory_limit: str = "6GB"
    """Memory DuckDB may use before it spills to the home's `tmp/`."""
    threads: int = Field(2, ge=1)
    """Threads DuckDB and dbt may use."""


#: Properties of Spark that the tables of a home depend on, and that are set for it.
SPARK_PROPERTIES_OF_A_HOME = (
    "spark.hadoop.javax.jdo.option.ConnectionURL",
    "spark.sql.catalogImplementation",
    "spark.sql.session.timeZone",
    "spark.sql.sources.default",
    "spark.sql.sources.partitionOverwriteMode",
    "spark.sql.timestampType",
    "spark.sql.warehouse.dir",
)


class SparkSettings(Section):
    """The cluster that `engine = "spark"` runs on."""

    master: str = Field("local[*]", min_length=1)
    """Address of the cluster; `local[n]` is this machine with n threads."""
    conf: Mapping[str, str] = Field(default_factory=dict)
    """Further properties of Spark, such as `spark.driver.memory`."""

    @field_validator("conf")
    @classmethod
    def _check_conf(cls, conf: Mapping[str, str]) -> Mapping[str, str]:
        if found := sorted(set(conf) & {*SPARK_PROPERTIES_OF_A_HOME, "spark.master"}):
            raise ValueError(
                "properties that the tables of a home depend on cannot be set here. "
                f"Found {', '.join(found)}. The cluster's address is spark.master of the settings"
            )
        return conf


class FeatureSettings(Section):
    """Definitions of the features, how long they are kept, and how old the data may be."""

    retention_days: int = Field(120, ge=1)
    """Feature cutoffs older than the newest by more than this are dropped from the warehouse."""
    heavy_user_days: int = Field(5, ge=2)
    """Active days from which a user is `heavy`; with one day a user is `new`, else `light`."""
    half_life_days: float = Field(30.0, gt=0)
    """A purchase this old counts half in `decayed_purchase_count`."""
    stale_warn_days: int = Field(3, ge=1)
    """Whole days without a day file before `as_of` that are reported."""
    stale_error_days: int = Field(14, ge=1)
    """Whole days without a day file before `as_of` that stop the build."""


class PinSettings(Section):
    """An item at a fixed rank of a placement's lists."""

    item_id: str
    rank: int = Field(ge=1)


class BoostSettings(Section):
    """Items that a condition is true of stand higher, or lower, than they were ranked."""

    when: str
    """Condition on item and user, as in `eligible`."""
    places: int = Field(ge=-500, le=500)
    """How many places higher such an item stands; below zero, how many lower."""

    @field_validator("when")
    @classmethod
    def _check_condition(cls, when: str) -> str:
        parse_condition(when)
        return when

    @field_validator("places")
    @classmethod
    def _check_places(cls, places: int) -> int:
        if places == 0:
            raise ValueError("a boost must move its items: `places` above or below 0")
        return places


class PlacementSettings(Section):
    """A placement, one named list on a page: what it may show, and what the gate asks of it."""

    exclude: Literal["none", "all"] | tuple[str, ...] = "all"
    """Items kept from a user: none, all of the user's history, or those with these event types."""
    exclude_within_days: int | None = Field(None, ge=1)
    """Only events of the last so many days exclude items; unset, the whole history does."""
    show_items_without_feed: bool | None = None
    """Whether items in no feed are shown; unset, they are only if no item is in a feed."""
    list_length: int = Field(50, ge=1, le=1000)
    """Items per list."""
    candidates: tuple[str, ...] | None = None
    """Names of the candidates that compete here; unset, all of them."""
    baselines: tuple[str, ...] = ("popularity", "recent_popularity")
    """Candidates a challenger must beat, one line of SQL each."""
    fallback: str = "recent_popularity"
    """Candidate whose list is shown to users with no personal signal."""
    ndcg_floor: float = Field(0.0, ge=0, le=1)
    """The gate refuses a challenger with NDCG@k below this."""
    ndcg_ceiling: float = Field(0.9, ge=0, le=1)
    """The gate refuses NDCG@k above this as implausible (a leak is likely)."""
    max_per_category: int | None = Field(None, ge=1)
    """At most this many items of one category in the first `rerank_depth`; unset, no limit."""
    diversity: float = Field(0.0, ge=0, lt=1)
    """Weight of dissimilarity against relevance in the first `rerank_depth` ranks; 0 is off."""
    rerank_depth: int = Field(10, ge=1, le=100)
    """Number of first ranks that the category cap and diversification rearrange."""
    pinned: tuple[PinSettings, ...] = ()
    """Items at fixed ranks, for every user they are not excluded for."""
    boosts: tuple[BoostSettings, ...] = ()
    """Items that stand higher or lower than ranked, by what a condition finds."""
    eligible: tuple[str, ...] = ()
    """Conditions on item and user that must all be true for an item to be shown."""
    personalise_without_consent: bool | None = None
    """Whether histories are used of users not known to consent; unset, if no feed says who does."""

    @field_validator("eligible")
    @classmethod
    def _check_conditions(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        for rule in rules:
            parse_condition(rule)
        return rules

    @model_validator(mode="after")
    def _check_pins(self) -> PlacementSettings:
        for what in ("rank", "item_id"):
            found = [getattr(pin, what) for pin in self.pinned]
            if len(set(found)) != len(found):
                raise ValueError(f"every {what} of `pinned` must occur once. Got {found}")
        if late := [pin.rank for pin in self.pinned if pin.rank > self.list_length]:
            raise ValueError(f"ranks of `pinned` must be within list_length. Got {late}")
        return self


class SearchSettings(Section):
    """Values of one parameter that `recsys tune` may try: a range, or a list of choices."""

    low: int | float | None = None
    """Least value; if `low` and `high` are whole, only whole numbers are tried."""
    high: int | float | None = None
    """Greatest value."""
    log: bool = False
    """Whether the range is searched on a logarithmic scale."""
    choices: tuple[bool | int | float | str, ...] | None = None
    """The values themselves, in place of `low` and `high`."""
    none: bool = False
    """Whether "no value" is tried too, such as no half-life instead of a very long one."""

    @model_validator(mode="after")
    def _check_range(self) -> SearchSettings:
        is_range = self.low is not None and self.high is not None
        if is_range == (self.choices is not None):
            raise ValueError("give either `low` and `high`, or `choices`")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"`low` must be below `high`, got {self.low} and {self.high}")
        if self.log and not (self.low is not None and self.low > 0):
            raise ValueError("`log` needs a `low` above 0")
        return self


class CandidateSettings(Section):
    """A candidate: a recommender, its hyperparameters and its event weights."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    recommender: str
    """Key of `models.candidates.RECOMMENDERS`, for example `ease`."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """Hyperparameters passed to the recommender."""
    event_weights: Mapping[str, float] | None = None
    """Overrides `events.weights` for this candidate."""
    search: Mapping[str, SearchSettings] = Field(default_factory=dict)
    """What `recsys tune` may change: a parameter's name, or `event_weights.<type>`."""
    tuned: bool = True
    """Whether nights use what `recsys tune` found; false keeps `params` as they stand here."""


class EvaluationSettings(Section):
    """How lists are evaluated against later events."""

    horizon_days: int = Field(14, ge=1, le=366)
    """Length of each truth window."""
    truth_events: tuple[str, ...] = ("purchase",)
    """Events that make an item relevant."""
    k: int = Field(10, ge=1)
    """List length at which the gate's metrics are cut off."""
    ks: tuple[int, ...] = (1, 5, 10, 20)
    """List lengths for which metrics are reported."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Confidence level of every interval."""
    memory_budget_gb: float = Field(6.0, gt=0)
    """Memory that candidates evaluated in parallel may need together, in GiB."""


class GateSettings(Section):
    """Rules of promotion that hold for every placement."""

    min_users: int = Field(500, ge=1)
    """The gate refuses with fewer users with truth in its window than this."""
    coverage_margin: float = Field(0.05, ge=0, le=1)
    """How far catalogue coverage may be below the champion's."""
    segment_margin: float = Field(0.02, ge=0, le=1)
    """How far the lower bound of a segment's NDCG difference may be below zero."""
    min_segment_users: int = Field(30, ge=2)
    """A segment with fewer users is reported, not judged."""
    yearly_error: float = Field(0.05, gt=0, lt=1)
    """Most chance that a placement's gate promotes, in a year of nights, what is not better."""


class TuningSettings(Section):
    """How `recsys tune` searches."""

    windows: int = Field(3, ge=1, le=26)
    """Truth windows averaged: the selection window and those of equal length right before it."""
    trials: int = Field(40, ge=1)
    """Specifications tried in all, unless `--trials` says otherwise."""
    seconds: float = Field(1800.0, gt=0)
    """No trial starts after this many seconds, unless `--seconds` says otherwise."""
    random_state: int = Field(0, ge=0)
    """Seed of the search: the same seed tries the same specifications."""


class AuditSettings(Section):
    """Limits that the lists must satisfy before they are published."""

    min_users_ratio: float = Field(0.95, ge=0)
    """Users served, at least this share of the last publication's."""
    max_users_ratio: float = Field(1.5, ge=0)
    """Users served, at most this multiple of the last publication's."""
    min_coverage_ratio: float = Field(0.5, ge=0)
    """Catalogue coverage, at least this share of the last publication's."""
    min_overlap_at_10: float = Field(0.2, ge=0, le=1)
    """Mean share of a user's first ten items kept from the last publication."""
    min_overlap_after_promotion: float = Field(0.0, ge=0, le=1)
    """`min_overlap_at_10` after the gate promoted another champion, when change is wanted."""
    max_item_share: float = Field(0.8, ge=0, le=1)
    """Greatest share of personal lists with the same item in the first `evaluation.k` places."""


class SimilarSettings(Section):
    """Lists of similar items, for product pages and for unknown visitors."""

    candidate: str | None = None
    """Candidate that makes the lists from histories of one item; unset, there are none."""
    completed_by: str | None = None
    """Candidate that fills short lists, such as one that knows titles; unset, none does."""
    list_length: int = Field(50, ge=1, le=1000)
    """Most similar items per item."""
    show_items_without_feed: bool | None = None
    """Whether items in no feed are shown here; unset, as for a placement."""
    min_share: float = Field(0.5, ge=0, le=1)
    """Share of the items with a history that must have such a list (audit)."""


class TrackSettings(Section):
    """How purchases are attributed to the lists that were shown."""

    attribution_days: int = Field(7, ge=1, le=90)
    """Days after an answer in which a purchase counts as coming from it."""
    covariate_days: int = Field(14, ge=1, le=90)
    """Days before a user's first exposure that measure how much the user buys anyway."""


class MlflowSettings(Section):
    """Where runs are logged."""

    tracking_uri: str | None = None
    """Address of the server; unset, ``$MLFLOW_TRACKING_URI``, else the home's SQLite store."""
    experiment: str = "nightly"
    timeout_seconds: int = Field(10, ge=1, le=60)
    """How long a call may hang before the night goes on without it."""
    restart_seconds: int = Field(60, ge=0, le=600)
    """How long a night waits, once, for a server that ended to be there again."""

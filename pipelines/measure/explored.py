"""Off-policy estimates from the warehouse: explored answers beside the lists asked about."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.errors import ExperimentError
from pipelines.base.tables import INT_SHOWN_ITEMS, SERVING_RECOMMENDATIONS
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import CONTROL
from pipelines.measure.off_policy import OffPolicy, estimate_off_policy, weigh_impressions
from pipelines.show.figures import format_share


@dataclass(frozen=True)
class Question:
    """The published lists whose clicks are to be estimated.

    Parameters
    ----------
    placement : str
    arm : str
        Variant whose lists.
    publication_id : str or None
        Of one publication; None for those of the publication that each answer came from.
    """

    placement: str
    arm: str = CONTROL
    publication_id: str | None = None


def ask_off_policy(settings: Settings, question: Question, as_of: date) -> dict[str, Any]:
    """Estimate the clicks per impression of published lists from answers left to chance.

    Answers of the days before `as_of` count.

    Returns
    -------
    dict
        The question, the figures of `OffPolicy`, ``answer_count`` and what was left out:
        ``answers_without_lists`` (their publication, or the user's list in it, is not stored) and
        ``answers_of_other_depth``.

    Raises
    ------
    ExperimentError
        If the placement is unknown, or no stored publication has such lists.
    WarehouseLockedError
        If a night holds the warehouse.
    """
    if question.placement not in settings.placements:
        raise ExperimentError(
            f"A placement must be one of the settings. Got {question.placement!r}. "
            f"Known: {', '.join(settings.placements)}."
        )
    with connect(settings, read_only=True) as warehouse:
        kinds = warehouse.execute(
            "select distinct publication_id, variant "
            f"from {SERVING_RECOMMENDATIONS.qualified} where placement = ? order by all",
            [question.placement],
        ).fetchall()
        _require_lists(question, kinds)
        rows = warehouse.execute(
            f"""
            select shown.request_id, shown.user_id, shown.position, shown.item_id,
                shown.propensity, shown.impression_at is not null as is_seen,
                shown.click_at is not null as is_clicked, target.item_id as target_item
            from {INT_SHOWN_ITEMS.qualified} as shown
            left join {SERVING_RECOMMENDATIONS.qualified} as target
                on target.publication_id = coalesce($3, shown.publication_id)
                and target.placement = shown.placement and target.variant = $2
                and target.user_id = shown.user_id and target.rank = shown.position
            where shown.placement = $1 and shown.propensity is not null
                and shown.served_date < $4
            order by shown.request_id, shown.position
            """,
            [question.placement, question.arm, question.publication_id, as_of],
        ).df()
    rows["target_item"] = (
        rows["target_item"].astype(object).where(rows["target_item"].notna(), None)
    )
    has_list = rows.groupby("request_id")["target_item"].transform("count") > 0
    answer_count = int(rows["request_id"].nunique())
    kept = rows[has_list].reset_index(drop=True)
    impressions, other_depth = weigh_impressions(kept, settings.serve.explore_depth)
    found: OffPolicy = estimate_off_policy(impressions)
    return {
        **asdict(question),
        "as_of": as_of.isoformat(),
        "answer_count": answer_count,
        "answers_without_lists": answer_count - int(kept["request_id"].nunique()),
        "answers_of_other_depth": other_depth,
        **asdict(found),
    }


def describe_off_policy(found: dict[str, Any]) -> list[str]:
    """An off-policy estimate in lines for people."""
    lines = [
        f"{found['placement']}, lists of {found['arm']}"
        + (f" in {found['publication_id']}" if found["publication_id"] else "")
        + f", from {found['answer_count']:,} answers left to chance before {found['as_of']}"
    ]
    if found["answers_without_lists"]:
        lines.append(
            f"{found['answers_without_lists']:,} answers left out: these lists of their users are "
            "not stored (publish.keep says how many publications are)"
        )
    if found["answers_of_other_depth"]:
        lines.append(
            f"{found['answers_of_other_depth']:,} answers left out: not of this serve.explore_depth"
        )
    if found["ips"]["value"] is None:
        return [*lines, f"No estimate: {found['ips']['reason']}."]
    lines.append(
        f"{found['impression_count']:,} impressions of {found['user_count']:,} users, "
        f"{format_share(found['supported_share'], 1)} of all, where an item of these lists had a "
        f"chance; they count for {found['effective_sample_size']:,.0f}"
    )
    for name, label in _LABELS.items():
        one = found[name]
        value, error = (format_share(one[key], 2) for key in ("value", "standard_error"))
        lines.append(f"{label:22} {value:>7} ± {error}")
    return lines


_LABELS = {"logged": "clicks per look, shown", "ips": "IPS", "snips": "SNIPS", "dr": "DR"}


def _require_lists(question: Question, kinds: list[tuple[str, str]]) -> None:
    matching = [
        (publication_id, variant)
        for publication_id, variant in kinds
        if variant == question.arm and question.publication_id in (None, publication_id)
    ]
    if not matching:
        known = ", ".join(f"{variant} of {publication}" for publication, variant in kinds) or "none"
        raise ExperimentError(
            f"Lists of {question.arm} in {question.publication_id or 'a stored publication'} must "
            f"be in {SERVING_RECOMMENDATIONS.qualified}. Known: {known}. "
            "Name one of these, or raise publish.keep before the next night."
        )

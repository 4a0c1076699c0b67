"""Explain why the winner won: the parts that sum to its difference from a rival, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipelines.evaluate.intervals import mean_interval
from pipelines.evaluate.ndcg_parts import PARTS, part_column
from pipelines.evaluate.results import Evaluation
from pipelines.evaluate.score import segment_masks
from pipelines.show.figures import format_bounds, format_figure, format_share

#: Names of the two sides of each split of the gains: the part itself, and the rest.
SIDES = {"repeats": ("repeats", "new items"), "head": ("head", "tail")}
#: Parts below this share of the largest part are not mentioned.
SMALL_SHARE = 0.05


def explain(
    winner: Evaluation,
    rivals: Sequence[Evaluation],
    *,
    k: int,
    confidence: float,
) -> dict[str, Any] | None:
    """Explain why one contender is above (or below) others on the same users.

    Parameters
    ----------
    winner : Evaluation
        Of the contender that holds the placement after the gate.
    rivals : sequence of Evaluation
        The rival that the sentences are about first, then others whose parts are wanted.
    k : int
        Cut of the NDCG.
    confidence : float
        Level of the intervals.

    Returns
    -------
    dict or None
        ``winner``, ``sentences`` about the first rival, and ``against``: for every rival the
        result of `split_difference`. None if there is no rival, or evaluations are of different
        users or lack the parts.
    """
    splits = [split_difference(winner, one, k=k, confidence=confidence) for one in rivals]
    found = [one for one in splits if one is not None]
    if not found or splits[0] is None:
        return None
    coverage = [one.reported(f"coverage_at_{k}") for one in (winner, rivals[0])]
    return {
        "winner": winner.name,
        "sentences": [*_sentences(found[0], k, confidence), *_say_coverage(found[0], coverage)],
        "against": found,
    }


def split_difference(
    winner: Evaluation, loser: Evaluation, *, k: int, confidence: float
) -> dict[str, Any] | None:
    """Split the paired difference in NDCG@k by segment, by repeats or new, and by head or tail.

    Both evaluations are of the same window and placement.

    Returns
    -------
    dict or None
        ``loser``, ``difference`` with ``low`` and ``high``, ``user_count``, and ``parts``: one
        entry per split and part with ``contribution``, ``low``, ``high``, the mean gains
        ``winner_gain`` and ``loser_gain``, and ``user_count``.

    Notes
    -----
    NDCG@k of a user is a sum of gains, one per hit, so a mean difference is the sum of what users
    of each segment add to it, and of what hits of each kind add. Within a split contributions
    therefore sum to the difference exactly; each has the interval of its own mean over all users.
    """
    mine, theirs = winner.per_user, loser.per_user
    columns = [f"ndcg_at_{k}", *(part_column(k, part) for part in PARTS)]
    if any(column not in frame for frame in (mine, theirs) for column in columns):
        return None
    if not mine["user_id"].equals(theirs["user_id"]) or mine.empty:
        return None
    parts = list(_parts(mine, theirs, k, confidence))
    total = mean_interval((mine[columns[0]] - theirs[columns[0]]).to_numpy(), confidence)
    return {
        "loser": loser.name,
        "difference": total.value,
        "low": total.low,
        "high": total.high,
        "user_count": total.user_count,
        "parts": parts,
    }


def _parts(
    mine: pd.DataFrame, theirs: pd.DataFrame, k: int, confidence: float
) -> Iterator[dict[str, Any]]:
    """Parts of every split of the difference, in a fixed order."""
    whole = [frame[f"ndcg_at_{k}"].to_numpy() for frame in (mine, theirs)]
    for segment, mask in segment_masks(mine["segment"].to_numpy()).items():
        if segment != "all":
            gains = [values * mask for values in whole]
            yield _part("segment", segment, gains, int(mask.sum()), confidence)
    for part, (name, rest) in SIDES.items():
        gains = [frame[part_column(k, part)].to_numpy() for frame in (mine, theirs)]
        others = [values - gain for values, gain in zip(whole, gains, strict=True)]
        yield _part(part, name, gains, len(mine), confidence)
        yield _part(part, rest, others, len(mine), confidence)


def _part(
    split: str, part: str, gains: Sequence[np.ndarray], user_count: int, confidence: float
) -> dict[str, Any]:
    found = mean_interval(gains[0] - gains[1], confidence)
    return {
        "split": split,
        "part": part,
        "contribution": found.value,
        "low": found.low,
        "high": found.high,
        "winner_gain": float(gains[0].mean()),
        "loser_gain": float(gains[1].mean()),
        "user_count": user_count,
    }


# in words


def _sentences(found: Mapping[str, Any], k: int, confidence: float) -> Iterator[str]:
    """Sentences on the difference, the segments it comes from, and the items."""
    yield _say_difference(found, k, confidence)
    segments = [part for part in found["parts"] if part["split"] == "segment"]
    yield _say_segments(segments, found)
    for split, opening in (
        ("repeats", "By what was bought before"),
        ("head", "By popularity"),
    ):
        parts = [part for part in found["parts"] if part["split"] == split]
        # where repeats are excluded there is nothing to tell apart
        if any(part["winner_gain"] or part["loser_gain"] for part in parts[:1]):
            yield f"{opening}: " + "; ".join(_say_gain(part) for part in parts) + "."


def _say_difference(found: Mapping[str, Any], k: int, confidence: float) -> str:
    difference, low, high = found["difference"], found["low"], found["high"]
    bounds = "" if low is None else f" {format_bounds(low, high, signed=True)} ({confidence:.0%})"
    figure = f"NDCG@{k} {_signed(difference)}{bounds} on {found['user_count']:,} users"
    if low is not None and low > 0:
        return f"It is above {found['loser']} by {figure}."
    if high is not None and high < 0:
        return f"It is below {found['loser']} by {figure}."
    return f"It is not told apart from {found['loser']}: {figure}."


def _say_segments(parts: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    """Sentence on what each segment adds to the difference, largest first."""
    ordered = sorted(parts, key=lambda part: -abs(part["contribution"]))
    told = ", ".join(
        f"{part['part']} users ({part['user_count']:,}) {_signed(part['contribution'])}"
        for part in ordered
    )
    against = [
        part["part"]
        for part in ordered
        if part["contribution"] * found["difference"] < 0
        and abs(part["contribution"]) >= SMALL_SHARE * abs(ordered[0]["contribution"])
    ]
    note = f"; {' and '.join(against)} users go the other way" if against else ""
    return f"By segment it comes from {told}{note}."


def _say_gain(part: Mapping[str, Any]) -> str:
    names = {
        "repeats": "hits on items they had",
        "new items": "hits on items new to them",
        "head": "hits on the most popular tenth of items",
        "tail": "hits on the other items",
    }
    return (
        f"{names[part['part']]} {_signed(part['contribution'])} "
        f"({format_figure(part['winner_gain'])} against {format_figure(part['loser_gain'])})"
    )


def _say_coverage(found: Mapping[str, Any], coverage: Sequence[float | None]) -> Iterator[str]:
    mine, theirs = coverage
    if mine is not None and theirs is not None:
        yield (
            f"Its lists show {format_share(mine)} of the catalogue, those of {found['loser']} "
            f"{format_share(theirs)}."
        )


def _signed(value: float) -> str:
    return format_figure(value, signed=True)

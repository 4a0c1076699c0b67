"""Settings that fit a shop's profile, each with the reason that stands beside it in the file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.base.config import DEFAULT_CONFIG, PROJECT_ROOT
from pipelines.base.errors import NoScoredUsersError
from pipelines.base.settings_sections import FeatureSettings
from pipelines.start.shop_profile import ShopProfile, WindowUsers

#: Horizon and users of the bundled shop, whose values are kept where a shop is as large.
USUAL_HORIZON, USUAL_USERS = 14, 500
#: Users to score from which a shorter horizon is better than more users.
ENOUGH_USERS = 300
#: Fewer users than this make no interval that a gate can go by.
LEAST_USERS = 30
#: Users to score from which a ranker has enough to learn from.
RANKER_USERS = 250
#: Days that feature cutoffs are kept by default.
KEPT_DAYS = FeatureSettings().retention_days
#: Share of repeats from which people are shown what they know, and items from which lists differ.
REPEATS, MANY_ITEMS, FEW_ITEMS = 0.05, 100, 50
#: Items that models of item pairs learn at most; their memory grows with the square.
MAX_PAIRED_ITEMS = 10_000
#: Weight of an event of each type, where histories have several.
WEIGHTS = {"view": 1.0, "click": 1.0, "add_to_cart": 3.0, "purchase": 5.0, "rating": 5.0}
#: Standard deviation of the paired differences of NDCG between two recommenders, as often seen.
USUAL_DEVIATION = 0.25


@dataclass(frozen=True)
class Choice:
    """A key of the settings, its value, and why."""

    section: str
    key: str
    value: Any
    reason: str = ""


@dataclass(frozen=True)
class ShopSettings:
    """What was chosen for a shop.

    Parameters
    ----------
    truth : str
        Event type that makes an item relevant.
    window : WindowUsers
        The horizon, and the users that could be scored with it.
    choices : tuple of Choice
        In the order of the file.
    candidates : tuple of dict
        Entries of ``[[candidates]]``.
    left_out : dict of str to str
        By candidate of the bundled shop, why it does not compete.
    """

    truth: str
    window: WindowUsers
    choices: tuple[Choice, ...]
    candidates: tuple[dict[str, Any], ...]
    left_out: Mapping[str, str]


def choose_settings(profile: ShopProfile) -> ShopSettings:
    """Choose what fits a profile.

    Raises
    ------
    NoScoredUsersError
        If nobody could be scored with any horizon.
    """
    truth, window = _choose_truth(profile)
    placements = _choose_placements(profile, window)
    names, left_out = _choose_candidates(profile, window, placements)
    users = min(_scored(window, name) for name in placements)
    choices = [
        *_event_choices(profile, truth),
        *_window_choices(profile, truth, window),
        *_gate_choices(users),
        *_placement_choices(profile, placements, names),
        *_list_choices(profile, names),
    ]
    return ShopSettings(
        truth,
        window,
        tuple(choices),
        tuple(_candidates(profile, truth, window, names)),
        left_out,
    )


def _choose_truth(profile: ShopProfile) -> tuple[str, WindowUsers]:
    """The strongest event type that enough users can be scored on, and its horizon."""
    best: tuple[str, WindowUsers] | None = None
    for name in profile.types:
        window = _choose_horizon(profile.windows[name])
        if window.known and (best is None or window.known > best[1].known):
            best = name, window
        if best and best[1].known >= LEAST_USERS:
            return best
    if best is None:
        tried = ", ".join(f"{one.horizon_days}" for one in profile.windows.get("purchase", ()))
        raise NoScoredUsersError(
            "A log must have users who come back: known before a window, and active in it. Found "
            f"none in {profile.span_days} days, {profile.first_day} to {profile.last_day}, of "
            f"{profile.user_count:,} users with {profile.median_events:g} events in the median"
            f"{f', with windows of {tried} days' if tried else ''}. Give a longer "
            "log, whose people come back; without times, `recsys benchmark` compares recommenders."
        )
    return best


def _choose_horizon(windows: tuple[WindowUsers, ...]) -> WindowUsers:
    """The usual horizon if it has enough users, else the shortest that has, else the fullest."""
    usual = [one for one in windows if one.horizon_days == USUAL_HORIZON]
    longer = [one for one in windows if one.horizon_days >= USUAL_HORIZON // 2]
    for one in (*usual, *longer):
        if one.known >= ENOUGH_USERS:
            return one
    return max(
        windows, key=lambda one: (min(one.with_new_items or one.known, one.known), one.known)
    )


def _scored(window: WindowUsers, placement: str) -> int:
    return window.with_new_items if placement == "discover" else window.known


def _choose_placements(profile: ShopProfile, window: WindowUsers) -> dict[str, str]:
    """Placements, and why."""
    found = {}
    share = f"{profile.repeat_share:.0%} of {profile.types[0]}s are of an item met before"
    repeats = profile.repeat_share >= REPEATS or not window.with_new_items
    few_new = window.with_new_items < LEAST_USERS and window.with_new_items < window.known / 2
    if window.with_new_items and not (repeats and few_new):
        found["discover"] = (
            "Items new to the user: what the history holds is excluded, from the lists and the "
            f"truth. {window.with_new_items:,} users met something new in each window."
        )
    if repeats:
        found["for_you"] = f"Repeats are wanted: {share}."
    return found


def _choose_candidates(
    profile: ShopProfile, window: WindowUsers, placements: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Names of the candidates that can work on this log, and why others are left out."""
    reasons: dict[str, str] = {}
    folds = profile.span_days // window.horizon_days - 2
    if "for_you" not in placements:
        why = f"only {profile.repeat_share:.1%} of {profile.types[0]}s are repeats"
        reasons |= {"personal_frequency": why, "personal_recency": why}
    if profile.joined_item_share < 0.1:  # noqa: PLR2004 -- hardly anything is learned from pairs
        why = "hardly a user has two items"
        reasons |= dict.fromkeys(("item_knn", "ease", "ease_recent", "pure_svd"), why)
        reasons["item_transitions"] = why
    if profile.titled_share < 0.5 and profile.category_share < 0.5:  # noqa: PLR2004 -- half
        reasons["item_content"] = "most items have neither title nor category"
    if folds < 3:  # noqa: PLR2004 -- fewer windows to learn from say little
        reasons["item_transitions"] = f"only {max(folds, 0)} windows come before those of the night"
    least = min(_scored(window, name) for name in placements)
    if least < RANKER_USERS or folds < 3:  # noqa: PLR2004 -- as above
        why = f"{least:,} users to score and {max(folds, 0)} earlier windows teach too little"
        reasons |= {"ranker": why, "ranker_new": why}
    if "for_you" not in placements:
        reasons.setdefault("ranker", "no placement with repeats")
    if "discover" not in placements:
        reasons.setdefault("ranker_new", "no placement of new items")
    names = [one["name"] for one in bundled_candidates() if one["name"] not in reasons]
    return names, reasons


def bundled_candidates() -> list[dict[str, Any]]:
    """Entries of ``[[candidates]]`` of the bundled shop, in their order."""
    text = (PROJECT_ROOT / DEFAULT_CONFIG).read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["candidates"]
    return found


def _event_choices(profile: ShopProfile, truth: str) -> list[Choice]:
    counts = ", ".join(f"{count:,} {name}" for name, count in profile.event_counts.items())
    weights = [Choice("events.weights", name, WEIGHTS[name]) for name in profile.types]
    if len(weights) == 1:
        weights = [Choice("events.weights", truth, 1.0)]
    told = f"Weight of one event in a history. This log has {counts}."
    found = [Choice("events.weights", weights[0].key, weights[0].value, told), *weights[1:]]
    if profile.week_ratio < 0.2:  # noqa: PLR2004 -- near the bundled limit of 0.05
        why = f"The log thins out: its last week has {profile.week_ratio:.0%} of the weeks before."
        found.insert(0, Choice("events", "volume_drop_fail", 1.0, why))
    return found


def _window_choices(profile: ShopProfile, truth: str, window: WindowUsers) -> list[Choice]:
    tried = "; ".join(f"{one.horizon_days} d: {one.known:,}" for one in profile.windows[truth])
    horizon = (
        f"Days of each truth window. Of {profile.span_days:,} days, {profile.first_day} to "
        f"{profile.last_day}; users that could be scored by horizon: {tried}."
    )
    k = 5 if profile.item_count < FEW_ITEMS else 10
    items = f"{profile.item_count:,} items"
    keep = []
    if 3 * window.horizon_days > KEPT_DAYS:
        why = "Feature cutoffs of both windows must be kept: two horizons, and one to spare."
        keep.append(Choice("features", "retention_days", 3 * window.horizon_days, why))
    return [
        *keep,
        Choice("evaluation", "horizon_days", window.horizon_days, horizon),
        Choice("evaluation", "truth_events", [truth], "Events that make an item relevant."),
        Choice("evaluation", "k", k, f"The cut of the gate's metrics; the log has {items}."),
        Choice("evaluation", "ks", [1, 5, 10] if k < 10 else [1, 5, 10, 20]),  # noqa: PLR2004 -- as k
    ]


def _gate_choices(users: int) -> list[Choice]:
    """Thresholds of the gate for so many users, in the placement that has fewest."""
    asked = min(USUAL_USERS, max(LEAST_USERS, users // 2))
    why = f"Fewer users with truth than this is a refusal. {users:,} had some in each window"
    why += (
        "; half of them are asked for, so that a quiet week is judged too."
        if (asked == users // 2)
        else "."
        if users >= asked
        else ": too few to promote anything yet; the best baseline stays."
    )
    least = max(LEAST_USERS, min(users, USUAL_USERS * 4) // 4)
    margin = min(0.2, max(0.02, round(2 * USUAL_DEVIATION / least**0.5 + 0.005, 2)))
    return [
        Choice("gate", "min_users", asked, why),
        Choice(
            *("gate", "min_segment_users", least),
            "Segments (new, light, heavy users) with fewer users are reported, not judged.",
        ),
        Choice(
            *("gate", "segment_margin", margin),
            "A segment's lower bound may be so far below zero: about what chance does to "
            f"{least} users.",
        ),
    ]


def _placement_choices(
    profile: ShopProfile, placements: Mapping[str, str], names: list[str]
) -> list[Choice]:
    length = max(1, min(50, profile.item_count // 2))
    found = []
    for placement, why in placements.items():
        section = f"placements.{placement}"
        is_new = placement == "discover"
        others = {"ranker", "personal_frequency", "personal_recency"} if is_new else {"ranker_new"}
        baselines = ["popularity", "recent_popularity"]
        if not is_new:
            others.add("item_content")  # it is for what nobody has bought yet
            baselines += ["personal_frequency", "personal_recency"]
        found += [
            Choice(section, "exclude", "all" if is_new else "none", why),
            Choice(section, "list_length", length),
            Choice(section, "candidates", [name for name in names if name not in others]),
            Choice(section, "baselines", [name for name in baselines if name in names]),
            Choice(section, "fallback", "recent_popularity"),
        ]
    return found


def _list_choices(profile: ShopProfile, names: list[str]) -> list[Choice]:
    found = []
    if profile.item_count < MANY_ITEMS:
        why = f"Among {profile.item_count} items, one may be in everybody's list."
        found.append(Choice("audit", "max_item_share", 1.0, why))
    if "pure_svd" in names:
        why = "Lists of items like an item, for product pages."
        found.append(Choice("similar", "candidate", "pure_svd", why))
        if "item_content" in names:
            found.append(Choice("similar", "completed_by", "item_content"))
        share = round(min(0.5, 0.6 * profile.joined_item_share), 2)
        why = f"{profile.joined_item_share:.0%} of the items were met beside another one."
        found.append(Choice("similar", "min_share", share, why))
    return found


def _candidates(
    profile: ShopProfile, truth: str, window: WindowUsers, names: list[str]
) -> list[dict[str, Any]]:
    """The bundled candidates of these names, their days in proportion to the horizon."""
    entries = [one for one in bundled_candidates() if one["name"] in names]
    return [_fitted(entry, profile, truth, window.horizon_days) for entry in entries]


def _fitted(
    entry: Mapping[str, Any], profile: ShopProfile, truth: str, horizon: int
) -> dict[str, Any]:
    """An entry, or a part of a ranker, with parameters that fit a profile."""
    own, recommender = dict(entry.get("params", {})), entry["recommender"]
    factor = horizon / USUAL_HORIZON
    params = {
        name: round(value * factor, 1) if name.endswith("half_life_days") else value
        for name, value in own.items()
    }
    folds = max(profile.span_days // horizon - 2, 1)
    if "parts" in params:
        del params["parts"]  # they come last in the file
        params |= {"n_folds": min(params["n_folds"], folds), "horizon_days": horizon}
        params["truth_events"] = [truth]
        params["parts"] = [
            _fitted(part, profile, truth, horizon)
            for part in own["parts"]
            if part["recommender"] != "item_content" or profile.titled_share
        ]
    if recommender == "item_transitions":
        params |= {"horizon_days": horizon, "target_events": [truth]}
        params["step_days"] = horizon if "step_days" in own else max(horizon // 2, 1)
        params["half_life_days"] = round(120 * factor, 1)
        params["window_half_life_days"] = round(45 * factor, 1)
    if recommender == "pure_svd":
        params["n_factors"] = max(1, min(params["n_factors"], profile.item_count // 4))
    if recommender in ("ease", "item_transitions") and profile.item_count > MAX_PAIRED_ITEMS:
        params["max_items"] = MAX_PAIRED_ITEMS
    kept = {key: value for key, value in entry.items() if key != "params"}
    return {**kept, **({"params": params} if params else {})}

"""What wrote a user's list: the champion, its fallback, or nothing."""

from __future__ import annotations

from typing import Any

from pipelines.ask.why_night import LiveNight
from pipelines.models.parameters import choice_types
from pipelines.rules.shown_items import PINNED, WITHOUT_CONSENT


def describe_model(role: dict[str, Any] | None) -> dict[str, Any] | None:
    """The champion that wrote a placement's lists.

    Returns
    -------
    dict or None
        ``candidate``, ``recommender`` (its name in specifications), ``recommender_class``,
        ``params``, ``event_weights``, ``spec_hash``, ``model_version``, ``run_id`` (MLflow's; None
        if the night could not log).
    """
    if role is None:
        return None
    from pipelines.models.candidates import RECOMMENDERS

    named = RECOMMENDERS.get(role["spec"]["recommender"])
    return {
        "candidate": role["candidate"],
        "recommender_class": None if named is None else named.replace(":", "."),
        **role["spec"],
        **{name: role[name] for name in ("spec_hash", "model_version", "run_id")},
    }


def describe_source(
    night: LiveNight,
    placement: str,
    rows: list[dict[str, Any]],
    counts: list[dict[str, Any]],
) -> dict[str, Any]:
    """What wrote a user's list, and why.

    Parameters
    ----------
    night : LiveNight
    placement : str
    rows : list of dict
        The list.
    counts : list of dict
        The user's events by type.

    Returns
    -------
    dict
        ``source``: ``recommender``, ``recommender, completed`` (by the fallback), ``fallback`` or
        ``nothing``; ``because``: a sentence.
    """
    fallback = night.rules[placement].fallback
    own = [row for row in rows if row["strategy"] != PINNED]
    filled = [row for row in own if row["reason"].startswith("fallback")]
    if not own:
        words = "the rules leave no item that may be shown to this user"
        return {"source": "nothing", "because": words}
    if own[0]["reason"].startswith(WITHOUT_CONSENT):
        return {
            "source": "fallback",
            "because": f"the list is that of {fallback}, as for somebody who did nothing: no "
            "consent of this user to lists from a history is known (consent in the users feed)",
        }
    if len(filled) == len(own):
        return {
            "source": "fallback",
            "because": f"the list is that of {fallback}: {_cannot_learn(night, placement, counts)}",
        }
    learner = (night.model_of(placement) or {}).get("candidate", "the recommender")
    words = f"{learner} ranked the items for this user"
    if filled:
        return {
            "source": "recommender, completed",
            "because": f"{words}; from rank {filled[0]['rank']} on it had no more to show, "
            f"and {fallback} completes the list",
        }
    return {"source": "recommender", "because": words}


def _cannot_learn(night: LiveNight, placement: str, counts: list[dict[str, Any]]) -> str:
    """Why the recommender had nothing for a user."""
    role = night.model_of(placement)
    if role is None or not counts:
        return "the recommender had no item for this user's history"
    weights = role["spec"]["event_weights"]
    kinds = choice_types(weights)
    has = ", ".join(f"{row['event_count']:,} {row['event_type']}" for row in counts)
    learns = f"{role['candidate']} learns from {', '.join(kinds)}, and this user's history is {has}"
    if any(row["event_type"] in kinds for row in counts):
        return f"{learns}: no item that may be shown goes with it"
    return learns

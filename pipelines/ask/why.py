"""Why a user is shown a list: night, recommender, history, rules, and what the rules removed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from pipelines.ask.why_items import ItemReasons, rules_in_words
from pipelines.ask.why_night import LiveNight
from pipelines.ask.why_ranking import rank_again
from pipelines.ask.why_source import describe_model, describe_source
from pipelines.base.config import Settings
from pipelines.base.current import LOOKUPS, Publication, read_current
from pipelines.base.errors import SettingsError, UnknownItemError, UnknownUserError
from pipelines.base.warehouse import connect
from pipelines.publications.lookup_file import STORED_RULES, open_lookups


def explain_user(
    settings: Settings,
    user_id: str,
    item_id: str | None = None,
    placement: str | None = None,
) -> dict[str, Any]:
    """Explain the lists that are live for a user, row by row, or what became of one item.

    Parameters
    ----------
    settings : Settings
    user_id : str
    item_id : str, optional
        An item to explain as well, in the lists or not.
    placement : str, optional
        Only this placement; default all of the publication.

    Returns
    -------
    dict
        ``user_id``, ``item_id``; ``publication``: publication_id, as_of, generated_at (UTC) and
        git_commit; ``history``: ``is_known``, ``counts`` by event type and the ``last`` rows of
        `query.read_history`; ``placements``: by name what `_explain_placement` returns.

    Raises
    ------
    SettingsError
        If the publication has no such placement.
    UnknownUserError
        If the user has neither a list nor a history.
    UnknownItemError
        If no feed, no list and no history knows the item.
    PublicationNotFoundError
        If nothing is live, or it is of an older schema.

    Notes
    -----
    Rules and specifications are those of the publication, not of the settings as they are now.
    What needs the night's run folder is given as not known if that was cleared away.
    """
    publication = read_current(settings)
    with (
        connect(settings, path=publication.serving_path, read_only=True) as connection,
        closing(open_lookups(publication.folder / LOOKUPS)) as lookups,
    ):
        night = LiveNight(settings, publication, connection, lookups)
        chosen = _chosen(night, placement)
        lists = {name: night.list_of(name, user_id) for name in night.rules}
        counts = night.count_events(user_id)
        _check_user(night, user_id, is_known=bool(counts) or any(lists.values()))
        if item_id is not None:
            _check_item(night, item_id, lists.values())
        return {
            "user_id": user_id,
            "item_id": item_id,
            "publication": _describe_publication(publication),
            "history": {
                "is_known": night.has_history,
                "counts": counts,
                "last": night.last_events(user_id),
            },
            "placements": {
                name: _explain_placement(night, name, user_id, lists[name], item_id)
                for name in chosen
            },
        }


def _chosen(night: LiveNight, placement: str | None) -> list[str]:
    if placement is None:
        return list(night.rules)
    if placement not in night.rules:
        raise SettingsError(
            f"A placement must be one of {night.publication.publication_id}. Got {placement!r}. "
            f"Known: {', '.join(sorted(night.rules))}."
        )
    return [placement]


def _check_user(night: LiveNight, user_id: str, *, is_known: bool) -> None:
    if not is_known:
        live = night.publication
        raise UnknownUserError(
            f"A user must have a list or a history in {live.publication_id}. Found neither for "
            f"{user_id!r}: nothing they did was known before {live.as_of}. Such people are shown "
            "the fallback list of each placement, which is the same for all of them: "
            'recsys query --sql "select * from fallback_recommendations".'
        )


def _check_item(night: LiveNight, item_id: str, lists: Iterable[list[dict[str, Any]]]) -> None:
    is_listed = any(row["item_id"] == item_id for rows in lists for row in rows)
    if not (is_listed or night.items([item_id])):
        raise UnknownItemError(
            f"An item must be in a feed, a list or a history of {night.publication.publication_id}."
            f" Found {item_id!r} in none. Look for its id: "
            "recsys query --sql \"select * from items where title ilike '%WORD%'\"."
        )


def _describe_publication(publication: Publication) -> dict[str, Any]:
    names = ("publication_id", "as_of", "generated_at", "git_commit")
    return {name: publication.manifest.get(name) for name in names}


def _explain_placement(
    night: LiveNight,
    placement: str,
    user_id: str,
    rows: list[dict[str, Any]],
    item_id: str | None,
) -> dict[str, Any]:
    """Explain one placement's list.

    Returns
    -------
    dict
        ``model`` (see `describe_model`); ``source`` and ``because`` (see `describe_source`);
        ``rules`` by name and ``rules_in_words``; ``kept_count``: items kept from the user;
        ``list``: the rows, with ``rank_without_rules`` and ``removed_above``: where the recommender
        alone has the item, and how many items it has above it that the rules removed (None where
        it cannot score the item, or that is not known); ``removed``: the items that it alone has
        among the first list_length and the rules removed, best first, each with ``reasons``, or
        None if that is not known, as ``unknown`` then says; with an item asked for, ``item``.
    """
    rules = night.rules[placement]
    ranking = rank_again(night, placement, user_id)
    item_rules = ItemReasons(
        night=night,
        placement=placement,
        user_id=user_id,
        rules=rules,
        kept=night.kept_items(placement, user_id),
        events=night.keeping_events(placement, user_id),
        ranking=ranking,
    )
    found: dict[str, Any] = {
        "model": describe_model(night.model_of(placement)),
        **describe_source(night, placement, rows, night.count_events(user_id)),
        "rules": rules.model_dump(mode="json", include=set(STORED_RULES)),
        "rules_in_words": rules_in_words(rules),
        "kept_count": len(item_rules.kept),
        "unknown": ranking.unknown or None,
        "list": [{**row, **_places(item_rules, row["item_id"])} for row in rows],
        "removed": _removed(item_rules),
    }
    if item_id is not None:
        found["item"] = _explain_item(item_rules, item_id, user_id, found)
    return found


def _places(item_rules: ItemReasons, item_id: str) -> dict[str, int | None]:
    """An item's rank by the recommender alone, and how many items the rules removed above it."""
    if (rank := item_rules.rank_without_rules(item_id)) is None:
        return {"rank_without_rules": None, "removed_above": None}
    return {"rank_without_rules": rank, "removed_above": len(item_rules.removed_above(rank))}


def _removed(item_rules: ItemReasons) -> list[dict[str, Any]] | None:
    if item_rules.ranking.unknown:
        return None
    return _with_reasons(item_rules, item_rules.removed_above(item_rules.rules.list_length + 1))


def _with_reasons(item_rules: ItemReasons, item_ids: list[str]) -> list[dict[str, Any]]:
    """Items that are not in the list, each with its place and why."""
    known = item_rules.night.items(item_ids)
    return [
        {
            "item_id": item_id,
            "title": known.get(item_id, {}).get("title"),
            "rank_without_rules": item_rules.rank_without_rules(item_id),
            "reasons": item_rules.reasons(item_id, known),
        }
        for item_id in item_ids
    ]


def _explain_item(
    item_rules: ItemReasons, item_id: str, user_id: str, found: dict[str, Any]
) -> dict[str, Any]:
    """Explain one item: its row or the reasons why it has none, and what was removed above it.

    Returns
    -------
    dict
        ``item_id``, title, category, price, is_available, is_in_feed; ``events`` of the user with
        it; ``row`` of the list, or None with ``reasons``; ``rank_without_rules`` and
        ``removed_above``: items that the recommender alone has above this one and the rules
        removed, with reasons, or None if that is not known.
    """
    known = item_rules.night.items([item_id])
    row = next((row for row in found["list"] if row["item_id"] == item_id), None)
    rank = item_rules.rank_without_rules(item_id)
    above = None
    if rank is not None:
        above = _with_reasons(item_rules, item_rules.removed_above(rank))
    names = ("title", "category", "price", "is_available", "is_in_feed")
    return {
        "item_id": item_id,
        **{name: known.get(item_id, {}).get(name) for name in names},
        "events": item_rules.night.events_of(user_id, item_id),
        "row": row,
        "reasons": [] if row else item_rules.reasons(item_id, known),
        "rank_without_rules": rank,
        "removed_above": above,
    }

"""What may be shown to whom: decisions on single events and items, shared by batch and API."""

from __future__ import annotations

from collections.abc import Collection

from pipelines.base.event_meaning import told_type

#: `strategy` of a pinned item's row in a list.
PINNED = "pinned"
#: `reason` of a pinned item's row in a list.
PINNED_REASON = "Placed at this rank by the shop"
#: Beginning of the `reason` of rows for a user who does not consent to lists of their own.
WITHOUT_CONSENT = "fallback: no consent to lists from a history"
#: Items fetched, at least, for each rank that cap and diversification choose.
POOL_FACTOR = 5
#: Separator between the categories of one item.
CATEGORY_SEPARATOR = "|"


def keeps_item(
    exclude: str | Collection[str],
    within_days: int | None,
    event_type: str,
    age_days: int,
    exposures: Collection[str] = (),
) -> bool:
    """Whether an event excludes its item from its user's lists in a placement.

    Parameters
    ----------
    exclude : str or collection of str
        The placement's `exclude`: ``none``, ``all``, or event types.
    within_days : int or None
        The placement's `exclude_within_days`; None for any age.
    event_type : str
        Events of a low value exclude as others of their type do: the user knows the item.
    age_days : int
        Days from the event's date to the cutoff: 1 for the last day before the cutoff.
    exposures : collection of str, default none
        Types that record what a user was shown; they exclude nothing, whatever `exclude` says.

    Examples
    --------
    >>> keeps_item("all", None, "view", 400), keeps_item(["purchase"], None, "view", 1)
    (True, False)
    >>> keeps_item("all", 30, "purchase", 30), keeps_item("all", 30, "purchase", 31)
    (True, False)
    """
    if exclude == "none" or event_type in exposures:
        return False
    if exclude != "all" and {event_type, told_type(event_type)}.isdisjoint(exclude):
        return False
    return within_days is None or age_days <= within_days


def category_names(category: str | None) -> list[str]:
    """Category names of an item, sorted, each once.

    Examples
    --------
    >>> category_names("Drama|Comedy"), category_names(None)
    (['Comedy', 'Drama'], [])
    """
    if not category:
        return []
    return sorted({name.strip() for name in category.split(CATEGORY_SEPARATOR)} - {""})

"""What may be shown to whom, event by event: the decisions that the batch and the API share."""

from __future__ import annotations

from collections.abc import Collection

#: Word that the served rows of a pinned item carry in `strategy`.
PINNED = "pinned"
#: Sentence that they carry in `reason`.
PINNED_REASON = "Placed at this rank by the shop"
#: Between the categories of an item that has several.
CATEGORY_SEPARATOR = "|"


def keeps_item(
    exclude: str | Collection[str],
    within_days: int | None,
    event_type: str,
    age_days: int,
    exposures: Collection[str] = (),
) -> bool:
    """Whether an event keeps its item from its user in a placement.

    Parameters
    ----------
    exclude : str or collection of str
        The placement's `exclude`: ``none``, ``all``, or event types.
    within_days : int or None
        The placement's `exclude_within_days`; None for any age.
    event_type : str
    age_days : int
        Days from the event's date to the cutoff: 1 for the last day that the cutoff knows.
    exposures : collection of str, default none
        Types that tell what a user was shown; they keep nothing, whatever `exclude` says.

    Examples
    --------
    >>> keeps_item("all", None, "view", 400), keeps_item(["purchase"], None, "view", 1)
    (True, False)
    >>> keeps_item("all", 30, "purchase", 30), keeps_item("all", 30, "purchase", 31)
    (True, False)
    """
    if exclude == "none" or event_type in exposures:
        return False
    if exclude != "all" and event_type not in exclude:
        return False
    return within_days is None or age_days <= within_days


def category_names(category: str | None) -> list[str]:
    """Categories of an item, sorted, each once.

    Examples
    --------
    >>> category_names("Drama|Comedy"), category_names(None)
    (['Comedy', 'Drama'], [])
    """
    if not category:
        return []
    return sorted({name.strip() for name in category.split(CATEGORY_SEPARATOR)} - {""})

"""`Wish`, what an answer is to be made of, and `AnswerRows`, what was made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipelines.base.serving_settings import ServeSettings
from pipelines.experiments.definition import CONTROL, INTERLEAVED
from pipelines.serve.answer.answers import Query
from pipelines.serve.answer.explore import SwapOdds, swap_odds
from pipelines.serve.answer.exposed import Exposed
from pipelines.serve.answer.list_store import ListStore
from pipelines.serve.answer.ranking import Row
from pipelines.serve.answer.team_draft import draft_coin


@dataclass(frozen=True)
class Wish:
    """What one answer is to be made of.

    Parameters
    ----------
    n : int
    placement : str
    category : str or None
    is_strict : bool
    exclude : collection of str
        Items not to show, whatever the rules say.
    request_id : str
        Of the answer; seeds the draw of the swap.
    variant : str, default "control"
        Variant whose lists answer.
    opponent : str or None, default None
        Another variant, whose lists are drafted with those of `variant` into one.
    coin : int, default 0
        Of `draft_coin`.
    odds : callable or None, default None
        From the number of rows and the places of pinned rows to the `SwapOdds`.
    attributes : mapping of str to str, float or bool
        What the request says of the user.
    """

    n: int
    placement: str
    category: str | None
    is_strict: bool
    exclude: Collection[str]
    request_id: str
    variant: str = CONTROL
    opponent: str | None = None
    coin: int = 0
    odds: Callable[[int, Collection[int]], SwapOdds] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class AnswerRows:
    """Rows of an answer, and where they are from.

    Parameters
    ----------
    rows : list of Row
    source, model_version : str
    warnings : list of str
    chances : dict of str to list
        Of each row, besides its id: ``teams``, the variant that drafted it, where lists were
        interleaved; ``propensities``, the chance that its item is where it is, where that was left
        to chance.
    """

    rows: list[Row]
    source: str
    model_version: str
    warnings: list[str] = field(default_factory=list)
    chances: dict[str, list[Any]] = field(default_factory=dict)


def wish_for(
    settings: ServeSettings,
    store: ListStore,
    placement: str,
    query: Query,
    *,
    exposed: Exposed | None,
    request_id: str,
) -> Wish:
    """Turn a query into a wish: whose lists answer it, and what is left to chance.

    Notes
    -----
    Interleaved answers are not explored: a swap would move an item that a team has drafted. Nor are
    dry runs, which nobody sees, and lists of one category, whose places are not the list's own.
    """
    wish: dict[str, Any] = {
        **{"n": query.n, "placement": placement, "category": query.category},
        **{"is_strict": query.is_strict, "exclude": query.exclude},
        "variant": exposed.variant if exposed else CONTROL,
        "request_id": request_id,
        "attributes": query.attributes,
    }
    if exposed is not None and exposed.variant == INTERLEAVED:
        wish["variant"], wish["opponent"] = store.variants(placement)
        wish["coin"] = draft_coin(query.user_id, exposed.experiment_id, store.publication_id)
    elif (
        (share := settings.explore_share.get(placement, 0.0)) > 0
        and not query.is_dry_run
        and query.category is None
    ):
        wish["odds"] = partial(swap_odds, depth=settings.explore_depth, share=share)
    return Wish(**wish)

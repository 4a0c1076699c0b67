"""`AnswerMaker`: the rows of one answer, from a publication's lists by the batch's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from pipelines.base.event_meaning import is_unwanted
from pipelines.rules.boosts import boosted_order
from pipelines.rules.shown_items import (
    PINNED,
    POOL_FACTOR,
    WITHOUT_CONSENT,
    category_names,
    keeps_item,
)
from pipelines.serve.answer.explore import draw_swap, shown_order
from pipelines.serve.answer.list_store import ItemInfo, ListStore, StoredList
from pipelines.serve.answer.person import Person
from pipelines.serve.answer.ranking import (
    Row,
    cap_categories,
    fill,
    fuse,
    insert_pins,
    let_scores_fall,
    rows_of,
)
from pipelines.serve.answer.team_draft import draft_teams
from pipelines.serve.answer.wishes import AnswerRows, Wish
from pipelines.serve.log.recent import RecentEvent

FILLED_REASON = "fallback: nothing else of the list may be shown now"
#: Prefix of the reason of a row that the recommender did not list.
_FALLBACK = "fallback:"
_SEGMENT = "segment_popularity"
#: Rows of a pool that are looked at together.
_CHUNK = 200


class AnswerMaker:
    """Makes the rows of one answer from one publication.

    Parameters
    ----------
    store : ListStore
    wish : Wish
    events : sequence of RecentEvent
        What the user did since the batch.
    today : int
        Days since 1970-01-01; the rules are those of a batch at the end of this day.
    stock : callable
        Availability of an item since the batch, None where nothing is known.
    """

    def __init__(
        self,
        store: ListStore,
        wish: Wish,
        events: Sequence[RecentEvent],
        today: int,
        stock: Callable[[str], bool | None],
    ) -> None:
        self._store = store
        self._wish = wish
        self._rules = store.placements[wish.placement]
        self._events = events
        self._today = today
        self._stock = stock
        self._kept = set(wish.exclude)
        self._person = Person(store, self._rules, None, wish.attributes)
        self._infos: dict[str, ItemInfo] = {}
        self._asked: set[str] = set()

    def for_user(self, user_id: str, recent: Sequence[str]) -> AnswerRows:
        """Rows of the answer for a user.

        Parameters
        ----------
        user_id : str
        recent : sequence of str
            Items of this session, newest last; without them, the user's own events count.

        Notes
        -----
        The list that the batch made for the user, if it could learn from their history. Else
        items like the recent ones; else what the batch gave the user, or gives to anyone: the
        list of the category where one is asked for, else the popular list. Of a user without
        consent, neither history nor session counts.
        """
        placement = self._wish.placement
        own = self._store.get_list(placement, self._wish.variant, user_id)
        self._person = Person(self._store, self._rules, user_id, self._wish.attributes)
        if not self._person.may_be_known:
            return self._without_consent(own)
        self._keep_events()
        if (mixed := self._interleaved(own, user_id)) is not None:
            return mixed
        if own is not None and _source_of(own) == "personal":
            return self._finish(own, rows_of(own), "personal", user_id)
        seeds = list(dict.fromkeys(reversed(recent))) or self._recent_items()
        if seeds:
            rows = self._shown(fuse(seeds, self._store.get_similar), is_checked=False)
            rows = self._boosted(self._without_exclusions(rows, user_id))
            if rows:
                self._kept.update(seeds)
                return self._finish(None, rows, "recent", user_id)
        anyone, source = self._anyone()
        if own is not None and self._wish.category is None:
            return self._finish(own, rows_of(own), _source_of(own), user_id)
        return self._finish(anyone, self._rows_for(anyone, user_id), source, user_id)

    def _without_consent(self, own: StoredList | None) -> AnswerRows:
        """Rows that depend on nothing the user did: what the night listed as such, or the rest."""
        self._events = ()
        if own is not None and self._wish.category is None and _is_without_consent(own):
            return self._finish(own, rows_of(own), _source_of(own), None)
        anyone, source = self._anyone()
        return self._finish(anyone, self._rows_for(anyone, None), source, None)

    def _keep_events(self) -> None:
        """Keep the items of events that exclude them in this placement."""
        for event in self._events:
            if keeps_item(
                self._rules.exclude,
                self._rules.exclude_within_days,
                event.event_type,
                self._today + 1 - event.day_number,
                self._store.exposure_types,
            ):
                self._kept.add(event.item_id)

    def _interleaved(self, own: StoredList | None, user_id: str) -> AnswerRows | None:
        """Rows drafted from the lists of both variants; None if either variant has no list."""
        rival = self._wish.opponent
        other = (
            None if rival is None else self._store.get_list(self._wish.placement, rival, user_id)
        )
        if rival is None or own is None or other is None:
            return None
        if "personal" not in (_source_of(own), _source_of(other)):
            return None
        first, second = (self._shown(rows_of(one), is_checked=True) for one in (own, other))
        rows, teams = draft_teams(first, second, self._wish.coin)
        made = self._finish(own, rows, "personal", user_id)
        made.model_version = f"{own.model_version} {other.model_version}"
        names = (self._wish.variant, rival)
        drafted = {
            row.item_id: names[team]
            for row, team in zip(rows, teams, strict=True)
            if row.strategy != PINNED
        }
        if drafted:
            made.chances["teams"] = [drafted.get(row.item_id) for row in made.rows]
        return made

    def for_item(self, item_id: str) -> AnswerRows:
        """Rows of items like the given one; without any, its category's list for anyone."""
        self._kept.add(item_id)
        stored = self._store.get_similar(item_id)
        if stored is not None and stored.items:
            return self._finish(stored, rows_of(stored), "similar", None)
        info = self._info([item_id]).get(item_id)
        for category in category_names(info.category) if info else ():
            if (found := self._store.get_fallback(self._wish.placement, category)) is not None:
                made = self._finish(found, rows_of(found), "segment", None)
                break
        else:
            anyone, source = self._anyone()
            made = self._finish(anyone, self._rows_for(anyone, None), source, None)
        made.warnings.append("unknown_item")
        return made

    def titles(self, rows: Iterable[Row]) -> dict[str, str | None]:
        """Titles of rows by item_id."""
        ids = [row.item_id for row in rows]
        return {item_id: info.title for item_id, info in self._info(ids).items()}

    # candidates

    def _recent_items(self) -> list[str]:
        """Items of the user's own events since the batch, newest first."""
        wanted = [
            event.item_id
            for event in self._events
            if not is_unwanted(event.event_type)
            and event.event_type not in self._store.exposure_types
        ]
        return list(dict.fromkeys(reversed(wanted)))

    def _anyone(self) -> tuple[StoredList | None, str]:
        """The list for anyone of the requested category, else the popular one, and its source."""
        category = self._wish.category
        if self._pool is not None:
            return self._pool, "popular" if category is None else "segment"
        if category is not None:
            found = self._store.get_fallback(self._wish.placement, category)
            if found is not None:
                return found, "segment"
        return self._store.get_fallback(self._wish.placement), "popular"

    @property
    def _pool(self) -> StoredList | None:
        """All that may be shown, best first, for somebody of whom anything is known."""
        if not self._person.is_described:
            return None
        return self._store.get_pool(self._wish.placement)

    def _rows_for(self, anyone: StoredList | None, user_id: str | None) -> list[Row]:
        """Rows of a list for anyone that a user may see; of a pool, as many as are of use."""
        if anyone is None:
            return []
        if not anyone.is_pool:
            return self._without_exclusions(rows_of(anyone), user_id)
        wanted = POOL_FACTOR * max(self._wish.n, self._rules.rerank_depth, self._rules.list_length)
        found: list[Row] = []
        for start in range(0, len(anyone.items), _CHUNK):
            part = slice(start, start + _CHUNK)
            some = replace(anyone, items=anyone.items[part], scores=anyone.scores[part])
            found += self._shown(rows_of(some), is_checked=True)
            if len(found) >= wanted:
                break
        return self._boosted(self._without_exclusions(found, user_id))

    # rules

    def _finish(
        self, stored: StoredList | None, rows: list[Row], source: str, user_id: str | None
    ) -> AnswerRows:
        """Filter, complete, cap, pin and cut rows; a list that lost no row keeps its order."""
        is_own = source == "personal"
        has_pin = {row.item_id for row in rows if row.strategy == PINNED}
        rows = self._shown(rows, is_checked=source not in {"recent", "similar"})
        model = (stored.model_version if stored else "") or (rows[0].strategy if rows else "")
        made = AnswerRows(rows, source, model)
        if len(rows) < self._wish.n and not self._wish.is_strict:
            self._complete(made, user_id)
        if source != "similar":
            made.rows = self._pin(
                made.rows,
                user_id,
                has_pin if is_own else None,
                is_capped=stored is not None
                and [row.item_id for row in made.rows] == list(stored.items),
            )
        if is_own:
            self._explore(made)
        made.rows = let_scores_fall(made.rows)[: self._wish.n]
        if len(made.rows) < self._wish.n:
            made.warnings.append("short_list")
        return made

    def _explore(self, made: AnswerRows) -> None:
        """Swap two rows in some answers, and note each row's chance of being in its place."""
        if self._wish.odds is None:
            return
        length = min(len(made.rows), self._wish.n)
        pinned = {place for place, row in enumerate(made.rows) if row.strategy == PINNED}
        odds = self._wish.odds(length, pinned)
        if not odds.slots:
            return
        order = shown_order(length, draw_swap(odds, self._wish.request_id))
        made.rows[:length] = [made.rows[place] for place in order]
        chances = [odds.shown_chance(was, now) for now, was in enumerate(order)]
        made.chances["propensities"] = chances

    def _shown(self, rows: list[Row], *, is_checked: bool) -> list[Row]:
        """Rows that may be shown now; `is_checked` if the batch left out unavailable items."""
        rows = [row for row in rows if row.item_id not in self._kept]
        allowed = self._person.allowed(row.item_id for row in rows)
        rows = [row for row in rows if row.item_id in allowed]
        category = self._wish.category
        infos = {} if is_checked and category is None else self._info([row.item_id for row in rows])
        return [
            row
            for row in rows
            if self._is_there(row.item_id, infos.get(row.item_id))
            and (category is None or category in _categories(infos.get(row.item_id)))
        ]

    def _is_there(self, item_id: str, info: ItemInfo | None) -> bool:
        now = self._stock(item_id)
        return now if now is not None else info is None or info.is_available is not False

    def _without_exclusions(self, rows: list[Row], user_id: str | None) -> list[Row]:
        """Rows without the items that the night's rules keep from the user or from everybody."""
        kept = self._store.get_exclusions(self._wish.placement, user_id or "")
        return [row for row in rows if row.item_id not in kept]

    def _boosted(self, rows: list[Row]) -> list[Row]:
        """Rows that no night has put in order, after the placement's boosts."""
        if not self._rules.boosts:
            return rows
        pool = POOL_FACTOR * self._rules.rerank_depth
        places = self._person.places([row.item_id for row in rows[:pool]])[None]
        (order,) = boosted_order(places, np.ones(places.shape, dtype=bool)).tolist()
        return [rows[place] for place in order] + rows[pool:]

    def _complete(self, made: AnswerRows, user_id: str | None) -> None:
        anyone, _ = self._anyone()
        if anyone is None:
            return
        spare = [row for row in self._rows_for(anyone, user_id) if row.strategy != PINNED]
        spare = self._shown(spare, is_checked=True)
        length = max(self._wish.n, len(made.rows))
        filled = fill(made.rows, spare, length, FILLED_REASON)
        if len(filled) > len(made.rows):
            made.rows = filled
            made.warnings.append("back_filled")

    def _pin(
        self, rows: list[Row], user_id: str | None, pinned: set[str] | None, *, is_capped: bool
    ) -> list[Row]:
        """Rows after cap and pins; `pinned` are those of the user's own list, None without one.

        An empty list stays empty; a list that is capped already keeps its order.
        """
        if not rows:
            return rows
        pins = [(pin.item_id, pin.rank) for pin in self._rules.pinned]
        allowed = self._allowed_pins([item_id for item_id, _ in pins], user_id, pinned)
        rows = [row for row in rows if row.item_id not in allowed]
        rows = rows if is_capped else self._cap(rows)
        return insert_pins(rows, [pin for pin in pins if pin[0] in allowed])

    def _allowed_pins(
        self, item_ids: list[str], user_id: str | None, pinned: set[str] | None
    ) -> set[str]:
        if not item_ids:
            return set()
        if pinned is not None:
            item_ids = [item_id for item_id in item_ids if item_id in pinned]
        known = self._info(item_ids)
        rows = [Row(item_id, 0.0, PINNED, "") for item_id in item_ids if item_id in known]
        rows = self._without_exclusions(self._shown(rows, is_checked=False), user_id)
        return {row.item_id for row in rows}

    def _cap(self, rows: list[Row]) -> list[Row]:
        most = self._rules.max_per_category
        if most is None:
            return rows
        infos = self._info([row.item_id for row in rows])
        categories = {item_id: _categories(info) for item_id, info in infos.items()}
        return cap_categories(rows, self._rules.rerank_depth, most, categories)

    def _info(self, item_ids: list[str]) -> dict[str, ItemInfo]:
        """Attributes of items by item_id; each item is looked up once."""
        if missing := [item_id for item_id in item_ids if item_id not in self._asked]:
            self._asked.update(missing)
            self._infos.update(self._store.get_items(missing))
        return {item_id: self._infos[item_id] for item_id in item_ids if item_id in self._infos}


def _is_without_consent(stored: StoredList) -> bool:
    """Whether the night made a list for somebody who did nothing, for want of consent."""
    own = [one for one in stored.labels if one["strategy"] != PINNED]
    return bool(own) and all(one["reason"].startswith(WITHOUT_CONSENT) for one in own)


def _source_of(stored: StoredList) -> str:
    """Source of a user's list: ``personal`` if a recommender made it, else a list for many."""
    label = next((one for one in stored.labels if one["strategy"] != PINNED), None)
    if label is None:
        return "popular"
    if label["strategy"] == _SEGMENT:
        return "segment"
    return "popular" if label["reason"].startswith(_FALLBACK) else "personal"


def _categories(info: ItemInfo | None) -> list[str]:
    return category_names(info.category) if info is not None else []

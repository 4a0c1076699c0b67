"""`RecommendationService`: everything the API does, without HTTP."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.errors import EventLogError, RequestRefusedError
from pipelines.serve.answer.answer_maker import AnswerMaker
from pipelines.serve.answer.answers import Answer, Query, entry_of
from pipelines.serve.answer.exposed import NOT_EXPOSED, Exposed, assign_user
from pipelines.serve.answer.list_store import STORE_FAILURES, ListStore
from pipelines.serve.answer.live_publication import LivePublication, LiveStore
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.answer.wishes import AnswerRows, Wish, wish_for
from pipelines.serve.log.clock import Clock, day_number, iso
from pipelines.serve.log.erased_users import ErasedUsers
from pipelines.serve.log.event_log import EventLog
from pipelines.serve.log.event_rows import EventRules, read_event, read_stock
from pipelines.serve.log.recent import RecentEvent, RecentEvents

logger = logging.getLogger(__name__)


class RecommendationService:
    """Lists, similar items, events and stock over the live publication.

    Parameters
    ----------
    settings : Settings
    live : LivePublication
    recent : RecentEvents
        What happened since the batch.
    erased : ErasedUsers
        Whose events are not taken, and of whom nothing is logged.
    log : EventLog
    metrics : ServeMetrics
    clock : Clock
    """

    def __init__(
        self,
        settings: Settings,
        *,
        live: LivePublication,
        recent: RecentEvents,
        erased: ErasedUsers,
        log: EventLog,
        metrics: ServeMetrics,
        clock: Clock,
    ) -> None:
        self._live = live
        self._recent = recent
        self._erased = erased
        self._log = log
        self._metrics = metrics
        self._clock = clock
        lookback = timedelta(days=max(1, settings.events.lookback_days))
        self._settings = settings
        self._event_rules = EventRules(
            frozenset(settings.events.types),
            lookback,
            settings.events.nobody,
            settings.events.refuses_negative_quantity,
        )
        self._stale_seconds = settings.serve.stale_hours * 3600
        self._alarm_seconds = settings.serve.alarm_hours * 3600

    def recommend(self, query: Query) -> Answer:
        """A user's list, as it may be shown now.

        Raises
        ------
        RequestRefusedError
            503 while no verified publication is there.
        """
        now = self._clock()
        with self._live.use() as live:
            placement, warnings = _placement_of(live.store, query)
            exposed = self._assign(live.store, placement, query)
            wish = wish_for(
                *(self._settings.serve, live.store, placement, query),
                exposed=exposed,
                request_id=secrets.token_hex(16),
            )
            events = self._recent.events_of(query.user_id)
            answer = self._answer(
                live, wish, events, now, lambda maker: maker.for_user(query.user_id, query.recent)
            )
        answer.exposed = None if answer.source == "static" else exposed
        answer.warnings[:0] = warnings
        if self._erased.has(query.user_id):
            answer.warnings.append("erased_user")
        elif not query.is_dry_run:
            self._log_exposure(query, answer, now)
        self._metrics.count_answer(answer.source, answer.warnings)
        return answer

    def similar(
        self,
        item_id: str,
        n: int,
        *,
        is_strict: bool,
        attributes: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Items like a given one, by the rules of the first placement.

        `attributes` are those of who looks at it; what is left out is missing.

        Raises
        ------
        RequestRefusedError
            503 while no verified publication is there.
        """
        now = self._clock()
        with self._live.use() as live:
            placement = next(iter(live.store.placements))
            wish = Wish(
                *(n, placement, None, is_strict, (), secrets.token_hex(16)),
                attributes=attributes or {},
            )
            answer = self._answer(live, wish, [], now, lambda maker: maker.for_item(item_id))
        self._metrics.count_answer(answer.source, answer.warnings)
        return answer

    def take_events(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Check events and log them.

        Parameters
        ----------
        rows : sequence
            Events as they came.

        Returns
        -------
        list of dict
            One entry per row: ``index``, ``status`` (``accepted``, ``duplicate``, ``rejected``),
            ``event_id`` unless rejected, ``reason`` if rejected.

        Raises
        ------
        RequestRefusedError
            503 if they cannot be written, or what happened before is not read yet: none counts.
        """
        self._check_loaded()
        now = self._clock()
        results: list[dict[str, Any]] = []
        accepted: dict[str, dict[str, Any]] = {}
        for index, row in enumerate(rows):
            try:
                event = read_event(row, self._event_rules, now)
                if self._erased.has(event["user_id"]):
                    raise ValueError("user_id was erased; nothing is taken of this user any more")
            except ValueError as error:
                results.append({"index": index, "status": "rejected", "reason": str(error)})
                continue
            event_id = event["event_id"]
            is_known = event_id in accepted or self._recent.knows_event(event_id)
            status = "duplicate" if is_known else "accepted"
            results.append({"index": index, "status": status, "event_id": event_id})
            if not is_known:
                accepted[event_id] = event
        if accepted:
            day = self._append("events", list(accepted.values()))
            self._recent.add("events", day, accepted.values())
        self._metrics.count_rows("events", results)
        return results

    def take_stock(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Log changes of availability; they count from the next answer on.

        Returns
        -------
        list of dict
            One entry per row: ``index``, ``status`` (``accepted``, ``rejected``), ``item_id``
            unless rejected, ``reason`` if rejected.

        Raises
        ------
        RequestRefusedError
            503 if they cannot be written or no publication is live yet.

        Notes
        -----
        A line holds the item's title, category, price and further attributes as the publication
        knows them: the night loads whole versions of items. Of items that the publication does not
        know, the line has none of them, and the night leaves it out.
        """
        self._check_loaded()
        at = iso(self._clock())
        results: list[dict[str, Any]] = []
        changes: dict[str, bool] = {}
        for index, row in enumerate(rows):
            try:
                item_id, is_available = read_stock(row)
            except ValueError as error:
                results.append({"index": index, "status": "rejected", "reason": str(error)})
                continue
            results.append({"index": index, "status": "accepted", "item_id": item_id})
            changes[item_id] = is_available
        if changes:
            lines = self._stock_lines(changes, at)
            day = self._append("items", lines)
            self._recent.add("items", day, lines)
        self._metrics.count_rows("items", results)
        return results

    # parts

    def _assign(self, store: ListStore, placement: str, query: Query) -> Exposed | None:
        """The user's arm; control without an experiment if the publication cannot be read."""
        try:
            return assign_user(store, placement, query.user_id, query.n)
        except STORE_FAILURES as error:
            logger.error("no arm could be looked up: %r", error)
            return None

    def _answer(
        self,
        live: LiveStore,
        wish: Wish,
        events: Sequence[RecentEvent],
        now: datetime,
        write: Callable[[AnswerMaker], AnswerRows],
    ) -> Answer:
        """The answer to a wish; from memory if the publication's file cannot be read."""

        def work(store: ListStore) -> tuple[AnswerRows, dict[str, str | None]]:
            stock = self._recent.is_available
            maker = AnswerMaker(store, wish, events, day_number(now.date()), stock)
            made = write(maker)
            return made, maker.titles(made.rows)

        try:
            made, titles = work(live.store)
        except STORE_FAILURES as error:
            logger.error("answered from memory: %r", error)
            made, titles = work(live.static)
            made.source = "static"
            made.warnings.insert(0, "store_failure")
        age = max(0, int((now - live.store.known_until).total_seconds()))
        aged = ["stale"] * (age >= self._stale_seconds) + ["alarm"] * (age >= self._alarm_seconds)
        return Answer(
            request_id=wish.request_id,
            items=[entry_of(rank, row, titles) for rank, row in enumerate(made.rows, 1)],
            source=made.source,
            model_version=made.model_version,
            publication_id=live.store.publication_id,
            generated_at=iso(live.store.generated_at),
            age_seconds=age,
            is_stale=bool(aged),
            placement=wish.placement,
            warnings=list(dict.fromkeys([*made.warnings, *aged])),
            chances=made.chances,
        )

    def _log_exposure(self, query: Query, answer: Answer, now: datetime) -> None:
        line = {
            "request_id": answer.request_id,
            "at": iso(now),
            "user_id": query.user_id,
            "placement": answer.placement,
            "source": answer.source,
            "publication_id": answer.publication_id,
            **(vars(answer.exposed) if answer.exposed else NOT_EXPOSED),
            "items": [item["item_id"] for item in answer.items],
            **answer.chances,
        }
        try:
            self._log.append("served", [line])
        except EventLogError as error:
            logger.error("%s", error)
            self._metrics.dropped_exposures.inc()
            answer.warnings.append("exposure_not_logged")

    def _append(self, kind: str, rows: list[dict[str, Any]]) -> Any:
        try:
            return self._log.append(kind, rows)
        except EventLogError as error:
            logger.error("%s", error)
            raise RequestRefusedError(
                503,
                "Rows must be written before they are acknowledged. The disk refused them; none "
                "counts. Send them again later.",
                headers={"Retry-After": "5"},
            ) from error

    def _stock_lines(self, changes: dict[str, bool], at: str) -> list[dict[str, Any]]:
        with self._live.use() as live:
            try:
                infos = live.store.get_items(list(changes))
                has_further = live.store.has_attributes()
                further = live.store.get_item_attributes(changes) if has_further else {}
            except STORE_FAILURES as error:
                logger.error("items could not be looked up: %r", error)
                infos = live.static.get_items(list(changes))
                further = live.static.get_item_attributes(changes)
        lines: list[dict[str, Any]] = []
        for item_id, is_available in changes.items():
            line = {"item_id": item_id, "is_available": is_available, "at": at}
            if (info := infos.get(item_id)) is not None:
                line |= {"title": info.title, "category": info.category, "price": info.price}
                if item_id in further:
                    line["attributes"] = json.dumps(further[item_id], sort_keys=True)
            lines.append(line)
        return lines

    def _check_loaded(self) -> None:
        if not self._recent.is_loaded:
            raise RequestRefusedError(
                503,
                "The logs of the last days must be read before rows are taken. They are being "
                "read. Send the rows again.",
                headers={"Retry-After": "2"},
            )


def _placement_of(store: ListStore, query: Query) -> tuple[str, list[str]]:
    """The placement that answers, and warnings about names that are not known."""
    placement, warnings = query.placement or next(iter(store.placements)), []
    if placement not in store.placements:
        placement, warnings = next(iter(store.placements)), ["unknown_placement"]
    running = store.experiments.get(placement)
    known = running.experiment_id if running else None
    if query.experiment not in {None, known}:
        warnings.append("unknown_experiment")
    return placement, warnings

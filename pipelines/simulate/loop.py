"""Nights and days of a simulated shop in turn: what is shown today trains tomorrow's lists."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.current import read_current
from pipelines.base.durable import read_if_there, write_json
from pipelines.base.errors import SettingsError
from pipelines.run.night import run_in_a_row
from pipelines.serve.answer.list_store import ListStore
from pipelines.simulate.days import DayTruth, purchase_event, simulate_day
from pipelines.simulate.past import write_past
from pipelines.simulate.shops import HttpShop, ServiceShop, Shop, SimulatedClock
from pipelines.simulate.world import World, make_world

logger = logging.getLogger(__name__)

#: File below the home that the API process of a simulation takes the time from.
CLOCK_FILE = "simulation/clock"


@dataclass(frozen=True)
class Simulation:
    """Size, dates, seed and planted effects of a simulation.

    Parameters
    ----------
    seed, n_users, n_items : int
        Of the world.
    first_day : date
        First day of the past.
    past_days : int
        Days without lists before the first night.
    days : int
        Nights, and days with lists after each.
    placement : str
        The list people look at.
    lifts : mapping of str to float
        By arm: a planted effect on its users' clicks.
    """

    seed: int = 7
    n_users: int = 2000
    n_items: int = 300
    first_day: date = date(2024, 1, 1)
    past_days: int = 42
    days: int = 10
    placement: str = "discover"
    lifts: Mapping[str, float] | None = None

    @property
    def first_night(self) -> date:
        """The first night that publishes lists."""
        return self.first_day + timedelta(days=self.past_days)


def simulate_shop(
    settings: Settings,
    simulation: Simulation,
    *,
    over_http: bool = False,
    after_night: Callable[[date], None] | None = None,
    show: Callable[[str], None] = logger.info,
) -> list[DayTruth]:
    """Run nights and days in turn.

    Parameters
    ----------
    settings : Settings
        A home of its own: it must hold no other shop.
    simulation : Simulation
    over_http : bool, default False
        Ask an API process on loopback, which reads the same settings file; its `serve.clock_file`
        must be `CLOCK_FILE`. Default the service in this process.
    after_night : callable, optional
        Called with each night once its lists are live.
    show : callable
        Gets a line of progress per day.

    Returns
    -------
    list of DayTruth
        Also written to `<home>/simulation/`, a file per day.

    Raises
    ------
    SettingsError
        If the home holds another shop, or the placement does not exist.
    """
    if over_http and (settings.file is None or settings.serve.clock_file != CLOCK_FILE):
        raise SettingsError(
            "A simulation over HTTP needs a settings file whose [serve] clock_file is "
            f"{CLOCK_FILE!r}. Got {settings.serve.clock_file!r}. Name one with --config."
        )
    _claim_home(settings, simulation)
    world = make_world(simulation.seed, simulation.n_users, simulation.n_items)
    last_past = simulation.first_night - timedelta(days=1)
    count = write_past(settings, world, simulation.first_day, last_past)
    show(f"past: {count:,} events of {world.n_users:,} users in {simulation.past_days} days")
    truths = []
    days = _Days(settings, simulation, world)
    with ExitStack() as stack:
        shop: Shop | None = None
        for step in range(simulation.days):
            day = simulation.first_night + timedelta(days=step)
            run_quietly(settings, day)
            if after_night is not None:
                after_night(day)
            morning = datetime.combine(day, time(1))
            shop = shop or _open_shop(settings, stack, morning, over_http=over_http)
            shop.follow(read_current(settings).publication_id, morning)
            truth = days.live(day, shop)
            truths.append(truth)
            show(
                f"{day}: {len(truth.served):,} answers, {len(truth.impressions):,} looks, "
                f"{len(truth.clicks):,} clicks, {len(truth.purchases):,} purchases to come of them"
            )
    return truths


def run_quietly(settings: Settings, as_of: date) -> None:
    """Run a night without printing its report, which is in its run folder."""
    with contextlib.redirect_stdout(io.StringIO()):
        run_in_a_row(settings, as_of)


def truth_path(settings: Settings, day: date) -> Path:
    """Path of a day's truth."""
    return settings.simulation / f"{day.isoformat()}.json"


def true_lift(truths: list[DayTruth], arm: str) -> float:
    """Relative lift in clicks per place looked at, had everybody been in an arm."""
    clicks = {
        name: sum(truth.expected_clicks.get(name, 0.0) for truth in truths)
        for name in ("control", arm)
    }
    return clicks[arm] / clicks["control"] - 1


@dataclass
class _Days:
    """State kept from day to day: the people, and the purchases that they have yet to make."""

    settings: Settings
    simulation: Simulation
    world: World
    pending: list[dict[str, Any]] = field(default_factory=list)

    def live(self, day: date, shop: Shop) -> DayTruth:
        """Simulate a day; purchases due today from earlier clicks are sent in the evening."""
        placement = self.simulation.placement
        with closing(ListStore.open(read_current(self.settings))) as store:
            truth = simulate_day(
                self.world,
                day,
                shop,
                placement,
                lifts=self.simulation.lifts,
                lists_of=lambda user_id: _published_lists(store, placement, user_id),
            )
        self.pending += truth.purchases
        due = [one for one in self.pending if one["at"][:10] == day.isoformat()]
        self.pending = [one for one in self.pending if one["at"][:10] != day.isoformat()]
        evening = datetime.combine(day, time(23, 58))
        shop.take_events([purchase_event(one) for one in due], evening)
        stored = {**asdict(truth), "day": day.isoformat(), "due": due}
        write_json(truth_path(self.settings, day), stored)
        return truth


def _published_lists(store: ListStore, placement: str, user_id: str) -> dict[str, list[str]]:
    """A user's list in every arm; the list for anyone where the night did not know the user."""
    spare = store.get_fallback(placement)
    lists = {}
    for variant in store.variants(placement):
        found = store.get_list(placement, variant, user_id) or spare
        lists[variant] = found.items if found is not None else []
    return lists


def _claim_home(settings: Settings, simulation: Simulation) -> None:
    if simulation.placement not in settings.placements:
        raise SettingsError(
            f"A simulation needs a placement of the settings. Got {simulation.placement!r}. "
            f"Known: {', '.join(settings.placements)}."
        )
    path = settings.simulation / "simulation.json"
    wanted = {**asdict(simulation), "first_day": simulation.first_day.isoformat()}
    wanted["lifts"] = dict(simulation.lifts or {})
    if read_if_there(path) == wanted:
        return
    if settings.landing.exists():
        raise SettingsError(
            f"A simulation needs a home of its own. Found day files in {settings.landing}. "
            "Give it another --home, or remove that one."
        )
    write_json(path, wanted)


def _open_shop(settings: Settings, stack: ExitStack, morning: datetime, *, over_http: bool) -> Shop:
    if not over_http:
        return stack.enter_context(closing(ServiceShop(settings)))
    from pipelines.run.services import api_service, free_port, running

    clock = SimulatedClock(settings.home / CLOCK_FILE)
    clock.set(morning)
    address = stack.enter_context(running(api_service(settings, free_port())))
    return stack.enter_context(closing(HttpShop(address, clock)))

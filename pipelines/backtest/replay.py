"""Replay a range of nights as if live, in a home of its own, and chart what was served."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.backtest.night import NightRecord, night_keys, replay_night
from pipelines.base.config import Settings, load_settings, silence_telemetry
from pipelines.base.durable import read_if_there, write_json, write_text
from pipelines.base.errors import SettingsError
from pipelines.base.serving_settings import PostgresSettings
from pipelines.base.windows import parse_day

logger = logging.getLogger(__name__)

#: Folders of the live home that the replayed nights read where they are.
SHARED = ("landing", "specifications")
_EVERY = re.compile(r"([1-9]\d{0,3})([dw])")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DAYS = {"d": 1, "w": 7}


@dataclass(frozen=True)
class BacktestPlan:
    """Which nights are replayed, and under which name.

    Parameters
    ----------
    name : str
        Folder below `<home>/backtests/`.
    start, end : date
        First night, and the day after which there is none.
    every_days : int
        Days from one night to the next.
    """

    name: str
    start: date
    end: date
    every_days: int

    @property
    def nights(self) -> tuple[date, ...]:
        """Nights in order, `start` first."""
        count = (self.end - self.start).days // self.every_days + 1
        return tuple(self.start + timedelta(days=self.every_days * n) for n in range(count))


def plan_backtest(
    start: date, end: date, every: str = "7d", name: str | None = None
) -> BacktestPlan:
    """Read the range, step and name of a backtest.

    Parameters
    ----------
    start, end : date
        First and last night, both included.
    every : str, default "7d"
        Days or weeks between nights: ``1d``, ``7d``, ``2w``.
    name : str, optional
        Default: the range itself, so that the same range continues where it stopped.

    Raises
    ------
    SettingsError
        If the range is empty, or `every` or `name` cannot be read.

    Examples
    --------
    >>> plan = plan_backtest(date(2011, 11, 25), date(2011, 12, 9), "1w")
    >>> plan.name, [night.day for night in plan.nights]
    ('2011-11-25_2011-12-09_7d', [25, 2, 9])
    """
    match = _EVERY.fullmatch(every)
    if match is None:
        raise SettingsError(
            "The step between nights must be a number of days or weeks. "
            f"Got {every!r}. Example: --every 7d."
        )
    if end < start:
        raise SettingsError(
            f"A backtest must end on or after its first night. Got {start} to {end}. "
            "Exchange --from and --to."
        )
    days = int(match.group(1)) * _DAYS[match.group(2)]
    chosen = name or f"{start}_{end}_{days}d"
    if _NAME.fullmatch(chosen) is None:
        raise SettingsError(
            "A backtest's name must be of letters, digits, dots, dashes and underscores. "
            f"Got {chosen!r}. Choose another --name."
        )
    return BacktestPlan(chosen, start, end, days)


def backtest_settings(settings: Settings, plan: BacktestPlan) -> Settings:
    """Settings for the backtest's own home, where its nights also keep their MLflow runs.

    The live home's warehouse, publications and registry are never opened for writing, and nothing
    goes to Postgres.
    """
    publish = settings.publish.model_copy(update={"postgres": PostgresSettings()})
    mlflow = settings.mlflow.model_copy(update={"tracking_uri": None})
    home = settings.backtests / plan.name
    return settings.model_copy(update={"home": home, "mlflow": mlflow, "publish": publish})


def replay_nights(
    settings: Settings, plan: BacktestPlan, *, show: Callable[[str], None] | None = None
) -> list[NightRecord]:
    """Run every night of the plan that is not there yet with the same inputs.

    Nights build on each other: after a change of settings, code or day files, the replay starts
    over, because the champion of every later night may be another. `settings` is that of the live
    home, whose `landing/` is read where it is; `show` receives a line for each night.

    Returns
    -------
    list of NightRecord
        In order; a night that stopped says where and why, and the next one was run all the same.

    Raises
    ------
    SettingsError
        If the backtest's folder holds something else.
    """
    own = backtest_settings(settings, plan)
    wanted = list(zip(plan.nights, night_keys(settings, plan.nights), strict=True))
    records = _kept_records(own, wanted)
    _prepare_home(settings, own)
    tell = show or (lambda line: logger.info("%s", line))
    for number, (as_of, key) in enumerate(wanted, start=1):
        label = f"[{number}/{len(wanted)}] night of {as_of}"
        if number > len(records):
            tell(f"{label} …")
            _write_state(own, plan, [*records, NightRecord(as_of, key, "running")])
            records.append(replay_night(own, as_of, key))
            _write_state(own, plan, records)
            tell(f"{label}: {records[-1].in_words}")
        else:
            tell(f"{label}: {records[number - 1].in_words} (kept, nothing changed)")
    return records[: len(wanted)]


def write_results(settings: Settings, plan: BacktestPlan) -> dict[str, Any]:
    """Collect what the replayed nights found, and write `results.json`, the chart and the page.

    Raises
    ------
    SettingsError
        If the nights have not all been replayed.
    """
    from pipelines.backtest.chart import draw_backtest
    from pipelines.backtest.page import backtest_document
    from pipelines.backtest.results import collect_results
    from pipelines.show.html import to_page

    own = backtest_settings(settings, plan)
    records = _read_records(own)[: len(plan.nights)]
    if [record.as_of for record in records if record.is_done] != list(plan.nights):
        raise SettingsError(
            f"Every night must be replayed before backtest {plan.name!r} is summed up. Found "
            f"{len(records)} of {len(plan.nights)}. Run `recsys backtest` for this range."
        )
    results = {"plan": _plan_values(plan), **collect_results(own, records)}
    write_json(own.backtest_results, results)
    picture = draw_backtest(results, own.backtest_chart)
    write_text(own.backtest_page, to_page(backtest_document(results, picture)))
    return results


def run_backtest(
    settings: Settings, plan: BacktestPlan, *, show: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Replay, sum up, and log to MLflow; returns what `results.json` holds."""
    from pipelines.backtest.mlflow_run import log_backtest

    replay_nights(settings, plan, show=show)
    results = write_results(settings, plan)
    log_backtest(settings, backtest_settings(settings, plan))
    return results


def call_step(step: str, params: Mapping[str, Any]) -> None:
    """Call one step of the DAG `backtest`, with the settings of this process's environment.

    Steps are ``replay_nights``, ``write_results`` and ``log_backtest``; `params` holds ``from``,
    ``to``, ``every`` and ``name`` of the DAG's run.
    """
    from pipelines.backtest.mlflow_run import log_backtest

    silence_telemetry()
    logging.getLogger("pipelines").setLevel(logging.INFO)
    settings = load_settings()
    start, end = parse_day(params["from"]), parse_day(params["to"])
    plan = plan_backtest(start, end, params["every"], params["name"])
    steps: dict[str, Callable[[], object]] = {
        "replay_nights": lambda: replay_nights(settings, plan),
        "write_results": lambda: write_results(settings, plan),
        "log_backtest": lambda: log_backtest(settings, backtest_settings(settings, plan)),
    }
    steps[step]()


# the home of a backtest


def _kept_records(own: Settings, wanted: Sequence[tuple[date, str]]) -> list[NightRecord]:
    """Nights already done with these inputs; if any input changed, none: the home is emptied."""
    stored = _read_records(own)
    pairs = zip(stored, wanted, strict=False)
    same = [(record.as_of, record.key) == want for record, want in pairs]
    if not all(same):
        first = stored[same.index(False)].as_of
        logger.warning("the inputs of night %s changed: the replay starts over", first)
        shutil.rmtree(own.home)  # its landing/ is a link, and what it points to stays
        return []
    return [record for record in stored if record.is_done]


def _prepare_home(settings: Settings, own: Settings) -> None:
    """Make the backtest's home, and link what the nights read."""
    if own.home.exists() and not own.backtest_state.exists() and any(own.home.iterdir()):
        raise SettingsError(
            f"A backtest needs a folder of its own. Found other files in {own.home}. "
            "Choose another --name, or remove that folder."
        )
    own.home.mkdir(parents=True, exist_ok=True)
    for folder in SHARED:
        link = own.home / folder
        if not link.is_symlink():
            link.symlink_to((settings.home / folder).resolve(), target_is_directory=True)


def _read_records(own: Settings) -> list[NightRecord]:
    stored = read_if_there(own.backtest_state)
    return [NightRecord.from_dict(entry) for entry in stored["nights"]] if stored else []


def _write_state(own: Settings, plan: BacktestPlan, records: Sequence[NightRecord]) -> None:
    nights = [record.as_dict() for record in records]
    write_json(own.backtest_state, {"plan": _plan_values(plan), "nights": nights})


def _plan_values(plan: BacktestPlan) -> dict[str, Any]:
    return {**asdict(plan), "start": plan.start.isoformat(), "end": plan.end.isoformat()}

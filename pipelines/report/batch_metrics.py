"""Figures of the newest night for Prometheus: a file for node_exporter, and a Pushgateway."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest, push_to_gateway

from pipelines.base.config import Settings, named_value
from pipelines.base.current import find_current
from pipelines.base.durable import read_if_there, read_json, write_text
from pipelines.base.errors import SettingsError

logger = logging.getLogger(__name__)

#: A row of a step: its verb, its subject, and how many.
StepRows = tuple[str, str, int]


def export_metrics(settings: Settings, now: datetime) -> None:
    """Write and push the figures of the newest night, as the settings say; nothing if they do not.

    A file that cannot be written and a gateway that does not answer are warnings: no night and no
    alert waits for them.

    Parameters
    ----------
    settings : Settings
    now : datetime
        The present, with its time zone: the age of the lists is counted to it.
    """
    chosen = settings.prometheus
    if chosen.textfile is None and chosen.pushgateway is None:
        return
    registry = collect_metrics(settings, now)
    if chosen.textfile is not None:
        try:
            write_text(chosen.textfile, generate_latest(registry).decode())
            chosen.textfile.chmod(0o644)  # node_exporter runs as somebody else
        except OSError as error:
            logger.warning("prometheus.textfile could not be written: %s", error)
    if chosen.pushgateway is not None:
        _push(settings, registry)


def collect_metrics(settings: Settings, now: datetime) -> CollectorRegistry:
    """Gauges of the newest night that has a run folder, and of the live lists.

    No user, item or event is ever a label: every label has few known values.
    """
    registry = CollectorRegistry()

    def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"recsys_{name}", text, labels, registry=registry)

    live = find_current(settings)
    if live is not None:
        text = "End of the days that the live lists know"
        gauge("publication_as_of_timestamp_seconds", text).set(live.known_until.timestamp())
        age = (now - live.known_until).total_seconds()
        gauge("publication_age_seconds", "Since the end of the days they know").set(age)
        gauge("served_users", "Users who have a list of the live publication").set(
            live.manifest["user_count"]
        )
        gauge("publication_rows", "Rows of the live publication").set(live.manifest["row_count"])
    nights = settings.nights()
    if not nights:
        return registry
    as_of, run = nights[-1], settings.run_folder(nights[-1])
    moment = datetime.combine(as_of, time(), UTC).timestamp()
    gauge("night_as_of_timestamp_seconds", "Midnight that ends what the night knows").set(moment)
    gauge("night_published", "1 if the newest night was published").set(run.publication.exists())
    seconds = gauge("step_seconds", "Seconds that a step took", ("step", "subject"))
    for path in sorted(run.steps.glob("*.json")):
        step = read_json(path)
        seconds.labels(step["verb"], step["subject"] or "").set(step["seconds"])
    rows = gauge("step_rows", "Rows that a step read or wrote", ("step", "subject"))
    for verb, subject, count in _step_rows(settings, as_of):
        rows.labels(verb, subject).set(count)
    ndcg = gauge("champion_ndcg", "NDCG of the champion on the gate window", ("placement", "k"))
    for placement in settings.placements:
        if (value := _champion_ndcg(settings, as_of, placement)) is not None:
            ndcg.labels(placement, str(settings.evaluation.k)).set(value)
    return registry


def _step_rows(settings: Settings, as_of: date) -> Iterator[StepRows]:
    """Rows of the steps of a night, from what they wrote down."""
    run = settings.run_folder(as_of)
    for source in read_if_there(run.landed) or []:
        if "event_count" in source:
            counts = (source[f"{feed}_count"] for feed in ("event", "item", "user"))
            yield "land_sources", source["name"], sum(counts)
    for feed, load in (read_if_there(run.load) or {"feeds": {}})["feeds"].items():
        yield "load_days", feed, load["row_count"]
    snapshot = read_if_there(run.snapshot / "manifest.json")
    if snapshot is not None:
        yield "take_snapshot", "", sum(file["rows"] for file in snapshot["files"].values())
    for placement in settings.placements:
        lists = read_if_there(run.variant(placement, "control").with_suffix(".json"))
        if lists is not None:
            yield "generate_lists", placement, lists["rows"]
    similar = read_if_there(run.similar.with_suffix(".json"))
    if similar is not None:
        yield "generate_similar", "", similar["rows"]
    published = read_if_there(run.publication)
    if published is not None:
        yield "publish", "", published["row_count"]


def _champion_ndcg(settings: Settings, as_of: date, placement: str) -> float | None:
    """NDCG of a placement's champion on the gate window; None if it was not scored."""
    run = settings.run_folder(as_of)
    gate: dict[str, Any] | None = read_if_there(run.gate(placement))
    if gate is None:
        return None
    folder = run.evaluation(gate["champion"]["name"], "gate", placement)
    metrics = read_if_there(folder / "metrics.json")
    name = f"ndcg_at_{settings.evaluation.k}"
    found = (metrics or {}).get("metrics", {}).get(name, {}).get("all", {}).get("value")
    return None if found is None else float(found)


def _push(settings: Settings, registry: CollectorRegistry) -> None:
    chosen = settings.prometheus
    try:
        address = named_value(
            chosen.pushgateway or "", "the address of a Pushgateway", "http://127.0.0.1:9091"
        )
        push_to_gateway(address, chosen.job, registry, timeout=chosen.timeout_seconds)
    except SettingsError as error:
        logger.warning("nothing is pushed: %s", error)
    except (OSError, ValueError) as error:  # refused, not answered, or no address
        logger.warning("prometheus.pushgateway did not take the metrics: %s", type(error).__name__)

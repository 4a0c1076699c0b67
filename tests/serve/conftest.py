"""A small publication, the service over it on a clock that stands still, and the API as a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.base.config import Settings, parse_settings
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.answer.service import RecommendationService
from pipelines.serve.runtime import Runtime
from tests.serve.publications import ApiProcess, Content, packed, publish_by_hand, running_api

#: Ten in the morning after the night of 2024-03-10.
MORNING = datetime(2024, 3, 10, 10, tzinfo=UTC)


@dataclass
class StandingClock:
    """A clock that goes when it is told to."""

    now: datetime = MORNING

    def __call__(self) -> datetime:
        return self.now

    def go(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class OpenService:
    """A service, its parts, and what drives them."""

    service: RecommendationService
    runtime: Runtime
    metrics: ServeMetrics
    settings: Settings
    clock: StandingClock

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"recsys_{name}_total", labels) or 0.0


def make_content(**changes: Any) -> Content:
    """Items a … t of two categories; u1 has a list of ten; t is out of stock."""
    ids = "abcdefghijklmnopqrst"
    values = {
        "lists": {("discover", "u1"): packed(ids[:10])},
        "fallbacks": {
            ("discover", ""): packed("klmnopqrs", "popularity", "fallback: for anyone"),
            ("discover", "tea"): packed("acegikmoqs", "popularity", "fallback: for anyone"),
        },
        "exclusions": {("discover", "u1"): ["k"]},
        "similar": {"a": "bcd", "e": "cft", "k": "lmn"},
        "items": {
            item: (f"Item {item}", "tea" if n % 2 == 0 else "cup", 1.5, item != "t")
            for n, item in enumerate(ids)
        },
    }
    return Content(**{**values, **changes})


@pytest.fixture
def content() -> Callable[..., Content]:
    """The small publication; keywords replace parts of it."""
    return make_content


@pytest.fixture
def open_service(
    make_settings: Callable[..., Settings],
) -> Iterator[Callable[..., OpenService]]:
    """A service over a publication, in this process, without threads."""
    opened: list[OpenService] = []

    def open_one(
        given: Content | None = None, *, publish: bool = True, settings: Settings | None = None
    ) -> OpenService:
        settings = settings or make_settings(
            events={"weights": {"purchase": 1.0}, "lookback_days": 3}
        )
        clock, metrics = StandingClock(), ServeMetrics()
        if publish:
            publish_by_hand(
                settings, given or make_content(), generated_at=MORNING - timedelta(hours=7)
            )
        runtime = Runtime(settings, metrics, clock)
        runtime.poll()
        opened.append(OpenService(runtime.service, runtime, metrics, settings, clock))
        return opened[-1]

    yield open_one
    for one in opened:
        one.runtime.stop()


@pytest.fixture(scope="module")
def module_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home that the tests of a module share."""
    return parse_settings({"home": tmp_path_factory.mktemp("api") / "home"})


@pytest.fixture(scope="module")
def api(module_settings: Settings) -> Iterator[ApiProcess]:
    """The API as a process, open on loopback, with limits that no test meets by accident."""
    publish_by_hand(module_settings, make_content())
    with running_api(module_settings, requests_per_second=10_000, burst=100_000) as process:
        yield process


@pytest.fixture
def client(api: ApiProcess) -> Iterator[httpx.Client]:
    """A client of it."""
    with api.client() as one:
        yield one


@pytest.fixture
def lines_of() -> Callable[..., list[str]]:
    """Lines of a kind of log, over all days and instances."""

    def read(settings: Settings, kind: str) -> list[str]:
        paths: list[Path] = sorted(settings.exposures.glob(f"date=*/{kind}-*.jsonl"))
        return [line for path in paths for line in path.read_text().splitlines()]

    return read

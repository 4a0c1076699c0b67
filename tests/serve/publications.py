"""Publications written by hand, and the API as a process on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx

from pipelines.base.config import PROJECT_ROOT, Settings, process_environment
from pipelines.base.current import LOOKUPS, SCHEMA_VERSION, SERVING, Publication, point_to
from pipelines.base.durable import file_sha256, write_json, write_text
from pipelines.run.services import LOOPBACK, free_port

AS_OF = date(2024, 3, 10)
LOOKUPS_VERSION = str(SCHEMA_VERSION)
RULES = {
    "exclude": "all",
    "exclude_within_days": None,
    "list_length": 50,
    "max_per_category": None,
    "rerank_depth": 10,
    "pinned": [],
}
TABLES = """
create table lists (placement text not null, variant text not null, user_id text not null,
    payload text not null, primary key (placement, variant, user_id)) without rowid;
create table fallbacks (placement text not null, category text not null, payload text not null,
    primary key (placement, category)) without rowid;
create table exclusions (placement text not null, user_id text not null, payload text not null,
    primary key (placement, user_id)) without rowid;
create table similar (item_id text primary key, payload text not null) without rowid;
create table items (item_id text primary key, title text, category text, price real,
    is_available integer) without rowid;
create table meta (key text primary key, value text not null) without rowid;
"""


def packed(
    items: Sequence[str], strategy: str = "ease", reason: str = "Like your history"
) -> dict[str, Any]:
    """A stored list whose scores fall by one."""
    return {
        "items": list(items),
        "scores": [float(len(items) - place) for place in range(len(items))],
        "labels": [{"from_rank": 1, "strategy": strategy, "reason": reason}] if items else [],
        "model_version": f"{strategy}-abc",
    }


@dataclass
class Content:
    """What a publication holds; keys are (placement, user_id) or (placement, category)."""

    lists: Mapping[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    fallbacks: Mapping[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    exclusions: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    similar: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: item_id to (title, category, price, is_available)
    items: Mapping[str, tuple[str | None, str | None, float | None, bool | None]] = field(
        default_factory=dict
    )
    placements: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"discover": RULES})


def write_lookups(
    path: Path, publication_id: str, content: Content, generated_at: datetime
) -> None:
    """A `lists.sqlite` of the layout that publications have."""
    meta = {
        "publication_id": publication_id,
        "as_of": publication_id[:10],
        "logical_hash": publication_id[11:] * 8,
        "schema_version": LOOKUPS_VERSION,
        "generated_at": generated_at.replace(tzinfo=None).isoformat(timespec="seconds"),
        "placements": json.dumps(content.placements),
        "exposure_types": json.dumps(["impression", "served"]),
    }

    def dump(rows: Mapping[tuple[str, str], Any]) -> Iterator[tuple[str, str, str]]:
        return ((*key, json.dumps(value)) for key, value in rows.items())

    with contextlib.closing(sqlite3.connect(path)) as out:
        out.executescript(TABLES)
        out.executemany("insert into lists values (?, 'control', ?, ?)", dump(content.lists))
        out.executemany("insert into fallbacks values (?, ?, ?)", dump(content.fallbacks))
        out.executemany("insert into exclusions values (?, ?, ?)", dump(content.exclusions))
        similar = [
            (
                item_id,
                json.dumps(
                    {
                        "items": list(items),
                        "scores": [1.0 / (rank + 1) for rank in range(len(items))],
                        "labels": [
                            {
                                "from_rank": 1,
                                "strategy": "item_knn",
                                "reason": "Often bought together",
                            }
                        ],
                        "model_version": "",
                    }
                ),
            )
            for item_id, items in content.similar.items()
        ]
        out.executemany("insert into similar values (?, ?)", similar)
        out.executemany(
            "insert into items values (?, ?, ?, ?, ?)",
            [(item_id, *values) for item_id, values in content.items.items()],
        )
        out.executemany("insert into meta values (?, ?)", meta.items())
        out.commit()


def publish_by_hand(
    settings: Settings,
    content: Content,
    *,
    as_of: date = AS_OF,
    tag: str = "00000000",
    generated_at: datetime | None = None,
    make_live: bool = True,
) -> Publication:
    """A verified publication of some content, live unless told otherwise."""
    publication_id = f"{as_of}-{tag}"
    folder = settings.publications / publication_id
    folder.mkdir(parents=True)
    write_lookups(folder / LOOKUPS, publication_id, content, generated_at or datetime.now(UTC))
    (folder / SERVING).touch()
    files = {name: {"sha256": file_sha256(folder / name)} for name in (LOOKUPS, SERVING)}
    manifest = {
        "publication_id": publication_id,
        "as_of": as_of.isoformat(),
        "schema_version": SCHEMA_VERSION,
        "files": files,
    }
    write_json(folder / "manifest.json", manifest)
    write_text(folder / "manifest.json.sha256", f"{file_sha256(folder / 'manifest.json')}\n")
    publication = Publication(publication_id, folder, manifest)
    if make_live:
        point_to(settings, publication)
    return publication


def write_settings(settings: Settings, **serve: Any) -> Path:
    """A settings file with a `[serve]` section, for a process."""
    path = settings.home / "api.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in serve.items()]
    path.write_text("\n".join([f'home = "{settings.home}"', "[serve]", *lines, ""]))
    return path


#: How long a test waits for an answer: another job may have both cores.
PATIENT_SECONDS = 60


@dataclass
class ApiProcess:
    """`recsys serve` as a process."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def client(self) -> httpx.Client:
        """A client of it that waits for answers."""
        return httpx.Client(base_url=self.address, timeout=PATIENT_SECONDS)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Ask it on a connection of its own."""
        return httpx.get(self.address + path, timeout=PATIENT_SECONDS, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Tell it something on a connection of its own."""
        return httpx.post(self.address + path, timeout=PATIENT_SECONDS, **options)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENT_SECONDS)


@contextlib.contextmanager
def running_api(
    settings: Settings,
    *,
    wait_ready: bool = True,
    before: Any = None,
    workers: int = 1,
    **serve: Any,
) -> Iterator[ApiProcess]:
    """The API on a home, stopped by its process id; lists never count as old, unless asked to."""
    port = free_port()
    ages = {"stale_hours": 1e6, "alarm_hours": 1e6}
    options = {"poll_seconds": 0.2, "recent_seconds": 0.2, **ages, **serve}
    config = write_settings(settings, **options)
    log = settings.home / "api.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipelines", "serve", "--config", str(config)),
                *("--port", str(port), "--workers", str(workers)),
            ],
            env={**process_environment(settings), "OMP_NUM_THREADS": "1"},
            cwd=PROJECT_ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=before,  # noqa: PLW1509 - sets limits of the child, nothing else
        )
    api = ApiProcess(process, f"http://{LOOPBACK}:{port}", log)
    try:
        wait_for(api, "/readyz" if wait_ready else "/healthz")
        yield api
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=PATIENT_SECONDS)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(api: ApiProcess, path: str, seconds: float = PATIENT_SECONDS) -> None:
    """Wait until a path answers 200."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if api.process.poll() is not None:
            raise AssertionError(f"the API ended: {api.log.read_text()}")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(api.address + path, timeout=2).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{path} does not answer 200: {api.log.read_text()}")

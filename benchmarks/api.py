"""How fast the API answers: requests at a fixed rate to one worker, on loopback.

    python -m benchmarks.api --seconds 20 --rate 200

It writes a publication of 100,000 users with lists of 50 items into a temporary home, starts
`recsys serve` on it and, for comparison in the same run, the same framework and server with one
empty route. A process of its own sends requests at fixed times over kept connections, whether or
not earlier ones were answered, and counts each from the moment it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.base.config import PROJECT_ROOT, Settings, parse_settings, process_environment
from pipelines.run.services import LOOPBACK, free_port
from tests.serve.publications import Content, packed, publish_by_hand

N_ITEMS = 5_000
KNOWN_SHARE = 0.9
START_SECONDS = 60
OK = 200
LIST_LENGTH = 50
CONNECTIONS = 16
WARM_UP_SECONDS = 3
EMPTY_APP = """
import sys
import uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def empty() -> dict[str, str]:
    return {}
uvicorn.run(app, host=sys.argv[1], port=int(sys.argv[2]), log_level="warning", access_log=False)
"""


class Lists(Mapping[tuple[str, str], Any]):
    """Lists of many users, made when they are written."""

    def __init__(self, n_users: int, length: int) -> None:
        self._n_users = n_users
        self._length = length

    def __getitem__(self, key: tuple[str, str]) -> Any:
        rng = random.Random(key[1])
        return packed([f"item-{n}" for n in rng.sample(range(N_ITEMS), self._length)])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return (("discover", f"user-{n:06}") for n in range(self._n_users))

    def __len__(self) -> int:
        return self._n_users


class Exclusions(Lists):
    """What was kept from many users."""

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return super().__getitem__(key)["items"]


def publish(settings: Settings, n_users: int) -> None:
    """A publication of the size that the targets speak of."""
    ids = [f"item-{n}" for n in range(N_ITEMS)]
    rng = random.Random(0)
    content = Content(
        lists=Lists(n_users, LIST_LENGTH),
        fallbacks={("discover", ""): packed(ids[:LIST_LENGTH], "popularity", "fallback: anyone")},
        exclusions=Exclusions(n_users, 20),
        similar={item_id: rng.sample(ids, LIST_LENGTH) for item_id in ids},
        items={item_id: (f"Title of {item_id}", "tea", 1.0, True) for item_id in ids},
    )
    publish_by_hand(settings, content)


def wait_until(url: str, process: subprocess.Popen[bytes]) -> float:
    """Seconds until a path answers 200."""
    started = time.monotonic()
    while process.poll() is None and time.monotonic() - started < START_SECONDS:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return time.monotonic() - started
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise SystemExit(f"{url} did not answer 200")


async def send_at_a_rate(port: int, paths: list[str], rate: float) -> list[tuple[float, int]]:
    """Seconds from when each request was due, and its status."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(LOOPBACK, port))
    found: list[tuple[float, int]] = []
    start = time.perf_counter() + 0.1

    async def ask(path: str, due: float) -> None:
        reader, writer = await free.get()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.I)
        await reader.readexactly(int(length.group(1)) if length else 0)
        found.append((time.perf_counter() - due, int(head.split(b" ", 2)[1])))
        free.put_nowait((reader, writer))

    tasks = []
    for number, path in enumerate(paths):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(ask(path, due)))
    await asyncio.gather(*tasks)
    return found


def generate(port: int, kind: str, seconds: float, rate: float, n_users: int) -> None:
    """Be the process that sends; prints figures as JSON."""
    import uvloop

    rng = random.Random(1)

    def path() -> str:
        if kind == "empty":
            return "/"
        known = f"user-{rng.randrange(n_users):06}"
        user = known if rng.random() < KNOWN_SHARE else f"visitor-{rng.randrange(10**6)}"
        recent = f"&recent=item-{rng.randrange(N_ITEMS)}" if user.startswith("visitor") else ""
        return f"/v1/recommendations/{user}?n=10{recent}"

    paths = [path() for _ in range(int((seconds + WARM_UP_SECONDS) * rate))]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(send_at_a_rate(port, paths, rate))[int(WARM_UP_SECONDS * rate) :]
    took = sorted(seconds for seconds, _ in found)
    milliseconds = {
        name: round(1000 * took[min(len(took) - 1, int(share * len(took)))], 3)
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
    }
    errors = sum(status != OK for _, status in found)
    print(json.dumps({"requests": len(found), "errors": errors, **milliseconds}))


def measure(port: int, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of one load run, made by another process."""
    command = [sys.executable, "-m", "benchmarks.api", "--generate", kind, "--port", str(port)]
    for name in ("seconds", "rate", "users"):
        command += [f"--{name}", str(getattr(arguments, name))]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that this benchmark started."""
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """CPU time of a process so far; 0 where /proc is not there."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print(
        f"machine: {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = parse_settings({"home": Path(folder) / "home"})
        publish(settings, arguments.users)
        (publication,) = settings.publications.glob("*/lists.sqlite")
        print(
            f"publication: {arguments.users:,} users x {LIST_LENGTH} items, "
            f"{publication.stat().st_size / 1e6:,.0f} MB"
        )
        environment = process_environment(settings)
        empty_port, api_port = free_port(), free_port()
        empty = subprocess.Popen(
            [sys.executable, "-c", EMPTY_APP, LOOPBACK, str(empty_port)], env=environment
        )
        api = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "serve", "--port", str(api_port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            cwd=PROJECT_ROOT,
        )
        try:
            ready = wait_until(f"http://{LOOPBACK}:{api_port}/readyz", api)
            print(
                f"ready after {ready:.2f} s, {cpu_seconds(api):.2f} s of CPU "
                "(process start, hashes of every file, 100 look-ups)"
            )
            wait_until(f"http://{LOOPBACK}:{empty_port}/", empty)
            for number in range(arguments.repeats):
                figures = {}
                for kind, port, process in (
                    ("empty", empty_port, empty),
                    ("api", api_port, api),
                ):
                    before = cpu_seconds(process)
                    figures[kind] = measure(port, kind, arguments)
                    per_request = (cpu_seconds(process) - before) / figures[kind]["requests"]
                    figures[kind]["cpu_ms"] = round(1000 * per_request, 3)
                    print(f"run {number + 1}, {kind:5}: {figures[kind]}")
                ratio = {
                    name: round(figures["api"][name] / figures["empty"][name], 2)
                    for name in ("p50", "p99")
                }
                print(f"run {number + 1}, ratio of api to empty route: {ratio}")
        finally:
            stop(api)
            stop(empty)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--generate", choices=["empty", "api"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.generate:
        generate(given.port, given.generate, given.seconds, given.rate, given.users)
    else:
        run(given)

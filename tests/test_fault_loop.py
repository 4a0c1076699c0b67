"""A night that is killed, or meets a full disk, at any of its places: nothing is half done.

The loop is SQLite's: a fault at the first place, at the second, and so on until a run completes. A
night is cut into the pieces that Airflow can retry; a run with a fault begins where its piece does,
from a copy of the home as the piece found it, because processes share nothing but the home.
"""

from __future__ import annotations

import ast
import json
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.current import read_current
from pipelines.run.night import NIGHT
from tests import fault_night
from tests.fault_night import STARTS, Ended, call, copy_home, make_context
from tests.fault_servers import SERVERS

PACKAGE = Path(__file__).parent.parent / "pipelines"
#: Places of CI's run; all of them are tried by `make prove`.
SAMPLE = 5
#: After every such number of a piece the whole night is run again; else it is retried from there.
WHOLE_NIGHTS = 8
#: Parts of the whole loop, for as many processes as there are.
PARTS = 4


@dataclass(frozen=True)
class Course:
    """The second night, undisturbed, cut into pieces.

    `places` holds the names of a piece's places; `homes` the home as each piece found it. Every run
    has its copy at `home`: the warehouse's view names the pointer by its whole path.
    """

    context: Any
    home: Path
    homes: list[Path]
    places: list[list[str]]
    before: dict[str, Any]
    after: dict[str, Any]

    def call(self, function: Callable[..., Any], *arguments: Any) -> Ended:
        """Run a function of `fault_night` on the home, in a child."""
        return call(self.context, self.home.parent / "work", function, self.home, *arguments)

    @property
    def points(self) -> list[tuple[int, int, str]]:
        """Piece, number within it, and name of every place of the night, in order."""
        return [
            (piece, number, name)
            for piece, names in enumerate(self.places)
            for number, name in enumerate(names, 1)
        ]


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    context, root = make_context(), tmp_path_factory.mktemp("faults")
    home, work = root / "home", root / "work"
    assert call(context, work, fault_night.prepare, home).exit_code == 0
    before = call(context, work, fault_night.read, home).answer
    homes, places = [], []
    for piece, start in enumerate(STARTS):
        homes.append(copy_home(home, root / f"piece_{piece}"))
        end = STARTS[piece + 1] if piece + 1 < len(STARTS) else None
        ended = call(context, work, fault_night.run, home, "0", start, end)
        assert ended.exit_code == 0, ended.log.read_text()
        places.append(ended.answer["places"])
    after = call(context, work, fault_night.state, home).answer
    read = call(context, work, fault_night.read, home).answer
    assert read["live"] != before["live"], "the second night must publish other lists"
    return Course(context, home, homes, places, before, {**after, "read": read})


def disturb(course: Course, piece: int, number: int, kind: str) -> Ended:
    """A run from a piece on, with a fault at one of the piece's places."""
    copy_home(course.homes[piece], course.home)
    return course.call(fault_night.run, f"{number}:{kind}", STARTS[piece])


def check_readers(course: Course, where: str) -> str:
    """Readers see the old publication whole, or the new one whole; returns its id."""
    ended = course.call(fault_night.read)
    assert ended.exit_code == 0, f"{where}: {ended.log.read_text()[-3000:]}"
    assert ended.answer in (course.before, course.after["read"]), where
    return ended.answer["live"]


def check_healed(course: Course, piece: int, number: int, where: str) -> None:
    """A retry ends as if nothing had happened: of the piece and all after it, or of the night."""
    start = 0 if number % WHOLE_NIGHTS == 0 else STARTS[piece]
    ended = course.call(fault_night.run, None, start)
    assert ended.exit_code == 0 and ended.answer["failure"] is None, (
        f"{where}: {ended.log.read_text()[-3000:]}"
    )
    found = course.call(fault_night.state).answer
    expected = {key: value for key, value in course.after.items() if key != "read"}
    assert found == expected, f"{where}: {differences(found, expected)}"


def differences(found, expected):
    return {
        part: [
            name
            for name in {*found[part], *expected[part]}
            if found[part].get(name) != expected[part].get(name)
        ]
        if isinstance(expected[part], dict)
        else (found[part], expected[part])
        for part in expected
        if found[part] != expected[part]
    }


def kill_at(course: Course, piece: int, number: int, name: str) -> str:
    where = f"killed at place {number} of piece {piece} ({name})"
    ended = disturb(course, piece, number, "kill")
    assert ended.exit_code == -9, f"{where}: {ended.log.read_text()[-3000:]}"
    live = check_readers(course, where)
    check_healed(course, piece, number, where)
    return live


def fill_at(course: Course, piece: int, number: int, name: str) -> str:
    where = f"disk full at place {number} of piece {piece} ({name})"
    ended = disturb(course, piece, number, "enospc")
    assert ended.exit_code == 0, f"{where}: {ended.log.read_text()[-3000:]}"
    assert "No space left on device" in str(ended.answer["failure"]), where
    live = check_readers(course, where)
    check_healed(course, piece, number, where)
    return live


def sample(course: Course, seed: int) -> list[tuple[int, int, str]]:
    """Places with different names, spread over the night."""
    rng = random.Random(seed)
    by_name: dict[str, list[tuple[int, int, str]]] = {}
    for point in course.points:
        by_name.setdefault(point[2], []).append(point)
    names = rng.sample(sorted(by_name), SAMPLE)
    return sorted(rng.choice(by_name[name]) for name in names)


def names_in_the_source() -> set[str]:
    """Every name that a `faultpoint` of the package is called with."""
    return {
        node.args[0].value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "faultpoint"
    }


@pytest.mark.slow
@pytest.mark.xdist_group("faults")
def test_the_night_passes_every_kind_of_place(course):
    counts = Counter(name for _, _, name in course.points)
    print(f"{len(course.points)} places: {dict(counts.most_common())}")
    # tests/erase/test_erase.py tries those of an erasure, tests/events/test_landed_sources.py of land
    others = ("erase.", "land.")
    of_nights = {name for name in names_in_the_source() if not name.startswith(others)}
    assert set(counts) == of_nights
    assert len(course.points) > 300


@pytest.mark.slow
@pytest.mark.xdist_group("faults")
def test_a_killed_night_is_seen_by_nobody_and_healed_by_the_next_run(course):
    for piece, number, name in sample(course, 20240311):
        kill_at(course, piece, number, name)


@pytest.mark.slow
@pytest.mark.xdist_group("faults")
def test_a_full_disk_stops_the_night_plainly_and_the_next_run_heals_it(course):
    for piece, number, name in sample(course, 7)[::2]:
        fill_at(course, piece, number, name)


@pytest.mark.slow
@pytest.mark.xdist_group("faults")
def test_a_run_with_a_fault_after_its_last_place_completes(course):
    piece = len(STARTS) - 1
    ended = disturb(course, piece, len(course.places[piece]) + 1, "kill")
    assert (ended.exit_code, ended.answer["failure"]) == (0, None)


@pytest.mark.prove
@pytest.mark.parametrize("kind", ["kill", "enospc"])
@pytest.mark.parametrize("part", range(PARTS))
def test_at_every_place_of_a_night(course, kind, part):
    live = Counter()
    points = course.points[part::PARTS]
    for piece, number, name in points:
        try_one = kill_at if kind == "kill" else fill_at
        seen = try_one(course, piece, number, name)
        live[seen] += 1
        print(f"{kind} at {piece}.{number} {name}: readers saw {seen}; healed", flush=True)
    old, new = course.before["live"], course.after["read"]["live"]
    print(
        f"{kind}, part {part + 1} of {PARTS}: {len(points)} of {len(course.points)} places; "
        f"readers saw the old lists {live[old]} times, the new {live[new]} times, halves 0 times; "
        f"{len(points)} of {len(points)} healed"
    )
    assert live[old] + live[new] == len(points) > 0


# a real full disk


@pytest.mark.prove
def test_a_night_whose_files_may_not_grow_stops_plainly_and_the_next_run_heals_it(course):
    copy_home(course.homes[0], course.home)
    ended = course.call(fault_night.run_with_small_files, 1_000_000)
    assert ended.exit_code == 0, ended.log.read_text()[-3000:]
    assert "File too large" in str(ended.answer["failure"])
    assert check_readers(course, "small files") == course.before["live"]
    check_healed(course, 0, 0, "small files")


@pytest.mark.slow
@pytest.mark.xdist_group("faults")
def test_a_night_on_a_disk_that_is_too_small_stops_plainly_and_the_next_run_heals_it(course):
    shutil.rmtree(course.home, ignore_errors=True)
    course.home.mkdir()
    used = sum(path.stat().st_size + 4096 for path in course.homes[0].rglob("*"))
    small = ["mount", "-t", "tmpfs", "-o", f"size={used + 2_000_000}", "tmpfs", str(course.home)]
    if subprocess.run(small, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        shutil.copytree(course.homes[0], course.home, dirs_exist_ok=True)
        ended = course.call(fault_night.run)
        assert ended.exit_code == 0, ended.log.read_text()[-3000:]
        assert "No space left on device" in str(ended.answer["failure"])
        live = check_readers(course, "small disk")
        subprocess.run(["mount", "-o", "remount,size=1g", str(course.home)], check=True)
        check_healed(course, 0, 0, "small disk")
    finally:
        subprocess.run(["umount", str(course.home)], check=True)
    assert live == course.before["live"]


# a tracking server that is down

#: Verbs that ask for each other's answers stay together; every group is a process, like a task.
TASKS = [
    ["plan_candidates", "evaluate_candidate"],
    ["select_challengers"],
    ["decide_gates", "refit_placement", "generate_lists"],
    ["generate_similar"],
    ["draw_plots"],
    ["audit_lists"],
    ["publish"],
    ["promote_aliases"],
    ["report_night"],
]


def go_without(course: Course, server: str, tasks: list[list[str]]) -> Any:
    """The night from the first of these tasks on, each a process, with a server that is down."""
    first = [verb for verb, _ in NIGHT].index(tasks[0][0])
    copy_home(course.homes[STARTS.index(first)], course.home)
    settings = fault_night.shop_settings(course.home)
    with SERVERS[server]() as dead:
        for verbs in tasks:
            ended = course.call(fault_night.run_with_server, dead.port, verbs)
            assert ended.exit_code == 0, f"{verbs}: {ended.log.read_text()[-3000:]}"
    gate = json.loads(settings.run_folder(fault_night.SECOND).gate("discover").read_text())
    return dead, gate, read_current(settings, verify=True)


@pytest.mark.slow
@pytest.mark.xdist_group("faults")
@pytest.mark.parametrize("server", sorted(SERVERS))
def test_a_night_without_a_tracking_server_refreshes_the_lists_and_promotes_nobody(course, server):
    dead, gate, live = go_without(course, server, TASKS)
    assert (live.as_of, gate["is_promoted"]) == (fault_night.SECOND, False)
    served = live.manifest["models"]["discover"]["spec_hash"]
    assert served == gate["champion_before"]["spec_hash"] == gate["champion"]["spec_hash"]
    # Bounded by what is asked, not by a clock: a call may hang for mlflow.timeout_seconds (60 at
    # most), and a server that did not answer is not asked again by any process of the night.
    assert len(dead.asked) <= 1


@pytest.mark.slow
@pytest.mark.xdist_group("faults")
def test_a_server_that_dies_during_the_night_is_waited_for_once(course):
    dead, _, live = go_without(course, "hanging", TASKS[1:])
    assert (live.as_of, len(dead.asked)) == (fault_night.SECOND, 1)

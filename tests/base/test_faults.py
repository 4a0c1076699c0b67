from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pipelines.base.config import PROJECT_ROOT, Fault, armed_fault
from pipelines.base.errors import SettingsError
from pipelines.base.faults import faultpoint

#: Passes five places and says after each how far it got.
WALK = """
from pipelines.base.faults import faultpoint, passed_places
for step in range(5):
    faultpoint(f"step.{step}")
    print(step, flush=True)
print(len(passed_places()))
"""


def walk(fault, log=None):
    environment = {name: value for name, value in os.environ.items() if "RECSYS_FAULT" not in name}
    asked = {"RECSYS_FAULT": fault, "RECSYS_FAULT_LOG": log}
    environment |= {name: str(value) for name, value in asked.items() if value is not None}
    command = [sys.executable, "-c", WALK]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=PROJECT_ROOT, check=False
    )


@pytest.fixture(autouse=True)
def forgotten():
    """What was read from the environment is read again, in this test and after it."""
    armed_fault.cache_clear()
    yield
    armed_fault.cache_clear()


def test_an_ordinary_run_passes_every_place_and_counts_nothing():
    assert walk(None).stdout.split() == ["0", "1", "2", "3", "4", "0"]


def test_a_process_is_killed_at_the_place_of_its_number():
    found = walk("3")
    assert (found.returncode, found.stdout.split()) == (-9, ["0", "1"])


def test_a_disk_is_full_from_its_place_on():
    found = walk("3:enospc")
    assert found.returncode == 1
    assert "[Errno 28] No space left on device (fault 3, step.2)" in found.stderr


def test_zero_counts_and_logs(tmp_path):
    assert walk("0", tmp_path / "log").stdout.split()[-1] == "5"
    assert (tmp_path / "log").read_text().split() == [f"step.{step}" for step in range(5)]


def test_processes_that_share_a_log_are_counted_as_one(tmp_path):
    walk("7", tmp_path / "log")
    found = walk("7", tmp_path / "log")
    assert (found.returncode, found.stdout.split()) == (-9, ["0"])


def test_a_disk_stays_full(monkeypatch):
    monkeypatch.setenv("RECSYS_FAULT", "1:enospc")
    for name in ("first", "second"):
        with pytest.raises(OSError, match=rf"No space left .*{name}"):
            faultpoint(name)


@pytest.mark.parametrize("text", ["x", "-1", "3:burn", ":kill"])
def test_what_is_no_fault_is_refused(text, monkeypatch):
    monkeypatch.setenv("RECSYS_FAULT", text)
    with pytest.raises(SettingsError, match="N, N:kill or N:enospc"):
        faultpoint("place")


def test_the_kind_is_kill_unless_said(monkeypatch):
    monkeypatch.setenv("RECSYS_FAULT", "4")
    assert armed_fault() == Fault(4, "kill", None)

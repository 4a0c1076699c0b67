from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from pipelines.base.config import Settings, parse_settings
from pipelines.evaluate.memory_budget import HEADROOM, expected_mib, memory_share


@pytest.fixture
def settings(tmp_path) -> Settings:
    return parse_settings({"home": tmp_path, "evaluation": {"memory_budget_gb": 4.0}})


def needs(settings: Settings, **peaks: float) -> None:
    (settings.home / "memory").mkdir(exist_ok=True)
    for name, mib in peaks.items():
        (settings.home / "memory" / f"{name}.json").write_text(json.dumps({"peak_mib": mib}))


def begins_beside(settings: Settings, held: str, name: str) -> bool:
    """Whether a candidate begins while another is at work; it always does once that has ended."""
    begun = threading.Event()

    def work() -> None:
        with memory_share(settings, name):
            begun.set()

    worker = threading.Thread(target=work)
    with memory_share(settings, held):
        worker.start()
        at_once = begun.wait(1.5)
    worker.join(20)
    assert begun.is_set()
    return at_once


def test_candidates_run_side_by_side_where_their_last_peaks_fit(settings):
    needs(settings, small=500, large=2900)
    assert begins_beside(settings, "large", "small")  # 1.2 x 3,400 of 4,096


def test_a_candidate_waits_where_they_do_not(settings):
    needs(settings, one=1800, other=1800)
    assert not begins_beside(settings, "one", "other")


def test_the_first_time_two_run_side_by_side(settings):
    assert expected_mib(settings, "new") == 2048
    assert begins_beside(settings, "one", "other")


def test_a_candidate_larger_than_the_budget_runs_alone(settings):
    needs(settings, huge=50_000)
    with memory_share(settings, "huge"):
        pass
    needs(settings, huge=50_000)
    assert not begins_beside(settings, "huge", "small")


def test_what_a_candidate_needed_is_expected_the_next_time(settings):
    with memory_share(settings, "ease"):
        np.ones(300 * 2**17).sum()  # 300 MiB
    with_more = expected_mib(settings, "ease")
    with memory_share(settings, "ease"):
        np.ones(2**17).sum()
    assert with_more - expected_mib(settings, "ease") > 200 * HEADROOM


def test_a_candidate_that_fails_gives_its_share_back(settings):
    with pytest.raises(ZeroDivisionError), memory_share(settings, "one"):
        raise ZeroDivisionError
    assert not list((settings.home / "memory").glob("*.share"))
    assert expected_mib(settings, "one") == 2048


def test_a_killed_process_gives_its_share_back(settings):
    needs(settings, one=4000, other=4000)
    code = (
        "import time; from pipelines.base.config import parse_settings\n"
        "from pipelines.evaluate.memory_budget import memory_share\n"
        f"settings = parse_settings({{'home': {str(settings.home)!r}}})\n"
        "with memory_share(settings, 'one'):\n"
        "    print('begun', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"begun\n"
        os.kill(holder.pid, signal.SIGKILL)
    began = time.monotonic()
    assert len(list((settings.home / "memory").glob("*.share"))) == 1
    with memory_share(settings, "other"):
        pass
    assert not list((settings.home / "memory").glob("*.share"))
    assert time.monotonic() - began < 20

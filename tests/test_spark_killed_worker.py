"""A worker of a cluster that dies while lists are made: the lists are the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.base.config import PROJECT_ROOT, Settings
from pipelines.base.settings_sections import SparkSettings
from pipelines.lists import for_users
from pipelines.rules import block_lists
from pipelines.rules.block_lists import ListInputs
from tests.spark_cluster import ON_CLUSTER, on_spark, spark_cluster
from tests.test_spark_lists import crown, make_engines, written_lists

pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.slow, pytest.mark.prove]

make_rows = for_users._make_rows
#: Blocks of which this process of an executor has made the rows.
made: list[slice] = []


def make_rows_of_two_blocks_and_die(inputs: ListInputs, users: slice, **names: Any) -> pa.Table:
    """Make rows; the first process that is asked for a third block kills its worker."""
    note = Path(os.environ["DIED"])
    if len(made) == 2 and is_first_to_make(note):
        executor = parent_of(os.getppid())  # of the daemon that forked this process
        for process in (parent_of(executor), executor):
            os.kill(process, signal.SIGKILL)
    made.append(users)
    return make_rows(inputs, users, **names)


def is_first_to_make(note: Path) -> bool:
    try:
        note.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_worker_killed_after_its_second_task_leaves_the_same_lists(
    tmp_path: Path, shop_after: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = make_engines(shop_after(10), tmp_path / "home")
    crown(engines.duckdb, "a_ials")
    monkeypatch.setattr(block_lists, "BLOCK_USERS", 10)
    here = written_lists(engines.duckdb, "discover")
    monkeypatch.setattr(for_users, "_make_rows", make_rows_of_two_blocks_and_die)
    died = tmp_path / "died"
    conf = {
        **ON_CLUSTER,
        "spark.executorEnv.DIED": str(died),
        "spark.executorEnv.PYTHONPATH": str(PROJECT_ROOT),
    }
    (tmp_path / "cluster").mkdir()
    with spark_cluster(engines.spark, tmp_path / "cluster") as master:
        spark = on_spark(engines.duckdb, SparkSettings(master=master, conf=conf))
        there = written_lists(spark, "discover")
    assert died.exists() and there == here

from __future__ import annotations

from contextlib import ExitStack, nullcontext

import pyarrow as pa
import pytest

from pipelines.base import blocks as blocks_module
from pipelines.base.blocks import SparkWorkers, block_workers
from pipelines.base.errors import BlockWorkError

BLOCKS = [slice(0, 2), slice(2, 4), slice(4, 5)]


class Cluster:
    """A Spark in this process whose first task is tried a second time."""

    def __init__(self):
        self.sessions = 0
        self.opened = 0

    def range(self, start, stop, step, tasks):
        self.tasks = [list(range(task, stop, tasks)) for task in range(tasks)]
        return self

    def mapInArrow(self, work, schema):  # noqa: N802 - the name that Spark gives it
        self.work = work
        return self

    def collect(self):
        for numbers in [self.tasks[0], *self.tasks]:
            list(self.work([pa.record_batch({"id": numbers})]))

    def open_work(self):
        self.opened += 1
        return lambda block: pa.table({"user": list(range(block.start, block.stop))})


@pytest.fixture
def cluster(monkeypatch):
    cluster = Cluster()

    def session(settings, *, with_tables):
        cluster.sessions += not with_tables
        return nullcontext(cluster)

    monkeypatch.setattr(blocks_module, "spark_session", session)
    return cluster


def test_other_engines_have_no_workers(make_settings):
    with block_workers(make_settings()) as workers:
        assert workers is None


def test_inside_others_workers_are_the_same_and_spark_starts_with_the_first_work(
    make_settings, cluster, tmp_path
):
    settings = make_settings(engine="spark")
    with block_workers(settings) as outer:
        with block_workers(settings) as inner:
            assert inner is outer and cluster.sessions == 0
        for job in ("a", "b"):
            list(outer.map(cluster.open_work, BLOCKS, tmp_path / job))
        assert cluster.sessions == 1
    with block_workers(settings) as later:
        assert later is not outer


@pytest.mark.parametrize("blocks_per_task", [1, 2, 8])
def test_results_come_in_order_and_a_process_opens_the_work_of_a_job_once(
    make_settings, cluster, tmp_path, monkeypatch, blocks_per_task
):
    monkeypatch.setattr(blocks_module, "BLOCKS_PER_TASK", blocks_per_task)
    with block_workers(make_settings(engine="spark")) as workers:
        for job in ("a", "b"):
            found = list(workers.map(cluster.open_work, BLOCKS, tmp_path / job))
            assert [table["user"].to_pylist() for table in found] == [[0, 1], [2, 3], [4]]
    assert cluster.opened == 2
    assert len(list((tmp_path / "a").iterdir())) == len(BLOCKS)  # and nothing that is not whole


def test_parts_that_are_not_seen_here_are_told(make_settings, cluster, tmp_path):
    with ExitStack() as stack:
        found = SparkWorkers(make_settings(), stack).map(cluster.open_work, BLOCKS, tmp_path / "a")
        next(found)
        (tmp_path / "a" / "000001.arrow").unlink()
        with pytest.raises(BlockWorkError, match="mounted at the same path everywhere"):
            next(found)

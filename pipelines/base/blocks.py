"""Work on numbered blocks in the Python processes of Spark's executors.

Each block's result is a file that appears whole or not at all, so a task that is tried again, here
or on another executor, and one whose worker was killed, leave what a task that went well leaves.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines.base.config import Settings
from pipelines.base.durable import new_file
from pipelines.base.errors import BlockWorkError
from pipelines.base.spark import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

#: Makes a block's result.
Work = Callable[[slice], pa.Table]
#: Blocks that a task of Spark works on.
BLOCKS_PER_TASK = 1

#: In a process of an executor: the work that it has opened, by the number of the job.
_opened: dict[int, Work] = {}
#: The workers that this process has open, if it has any.
_current: list[SparkWorkers] = []


@contextmanager
def block_workers(settings: Settings) -> Iterator[SparkWorkers | None]:
    """Have the executors of the settings' Spark at hand; None where the engine is another.

    Spark starts with the first work and ends on the way out. Inside another block of this kind
    they are the same workers: who loops over many works wraps the loop, and starts Spark once.
    """
    if settings.engine != "spark":
        yield None
    elif _current:
        yield _current[-1]
    else:
        with ExitStack() as stack:
            _current.append(SparkWorkers(settings, stack))
            stack.callback(_current.pop)
            yield _current[-1]


class SparkWorkers:
    """Executors of Spark, started when there is something to do.

    Parameters
    ----------
    settings : Settings
    stack : ExitStack
        Ends Spark when it is closed.
    """

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._session: SparkSession | None = None
        self._jobs = 0

    def map(
        self, open_work: Callable[[], Work], blocks: Sequence[slice], folder: Path
    ) -> Iterator[pa.Table]:
        """Work on blocks on the executors; yield the results in the order of the blocks.

        Parameters
        ----------
        open_work : callable
            Opens the work in a process of an executor, once for all its blocks. It is sent to each
            task, so what is large must be read by path.
        blocks : sequence of slice
        folder : Path
            Empty, on a file system that executors have at the same path; a file a block is written
            there.

        Raises
        ------
        BlockWorkError
            If a task failed as often as Spark tries, or its files cannot be read here.
        """
        if self._session is None:
            started = spark_session(self._settings, with_tables=False)
            self._session = self._stack.enter_context(started)
        self._jobs += 1
        work_on_batches = _batch_work(self._jobs, open_work, list(blocks), folder)
        tasks = -(-len(blocks) // BLOCKS_PER_TASK)
        numbers = self._session.range(0, len(blocks), 1, tasks)
        try:
            with warnings.catch_warnings():
                # pyspark warns of pandas 3 also where, as here, only Arrow is between the two
                warnings.filterwarnings("ignore", ".*pandas >= 3", FutureWarning)
                numbers.mapInArrow(work_on_batches, "id long").collect()
        except Exception as error:  # errors of Java come as they are, or as pyspark translates them
            last = [line for line in str(error).splitlines() if line.strip()]
            raise BlockWorkError(
                f"Spark must end every task of a job. A task failed as often as it is tried: "
                f"{_cause(last)}. Executors need this Python with its packages, and the home at "
                "the same path; the logs of the executors say more."
            ) from error
        logger.info("%d blocks of users done by %d tasks of Spark", len(blocks), tasks)
        for number in range(len(blocks)):
            yield _read_part(_part(folder, number))


def _cause(lines: Sequence[str]) -> str:
    """The line of a traceback that names its error, else its first."""
    named = [line for line in lines if not line.startswith((" ", "\t")) and "Error: " in line]
    return (named or list(lines) or ["no message"])[-1 if named else 0].strip()


def _batch_work(
    job: int, open_work: Callable[[], Work], blocks: list[slice], folder: Path
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What a task does with the numbers of its blocks: it writes a part of each."""

    def work_on_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                _make_part(job, open_work, blocks[number], _part(folder, number))
            yield batch

    return work_on_batches


def _make_part(job: int, open_work: Callable[[], Work], block: slice, path: Path) -> None:
    """Write a block's part, in a process of an executor."""
    if job not in _opened:
        _opened.clear()  # the earlier job's, before this one takes memory
        _opened[job] = open_work()
    _write_part(path, _opened[job](block))


def _part(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.arrow"


def _write_part(path: Path, table: pa.Table) -> None:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        new_file(path) as fresh,
        pa.OSFile(str(fresh), "wb") as out,
        pa.ipc.new_file(out, table.schema, options=options) as writer,
    ):
        writer.write_table(table)


def _read_part(path: Path) -> pa.Table:
    if not path.exists():
        raise BlockWorkError(
            "What an executor writes must be seen here: the home must be on a file system that "
            f"is mounted at the same path everywhere. Found no {path}. Mount it, or set "
            'engine = "duckdb".'
        )
    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()

"""Work on blocks in several threads: numpy, scipy and faiss release the interpreter's lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from faiss import omp_get_max_threads
from threadpoolctl import threadpool_limits

Block = TypeVar("Block")
Result = TypeVar("Result")


class _Limit:
    """Context that limits BLAS to one thread: set by the first to enter, lifted by the last out.

    The limit is the process's: if threads each restored what they found, it could stay for good.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._inside = 0
        self._limits: threadpool_limits | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._turn:
            if self._inside == 0:
                self._limits = threadpool_limits(1, user_api="blas")
            self._inside += 1
        try:
            yield
        finally:
            with self._turn:
                self._inside -= 1
                if self._inside == 0 and self._limits is not None:
                    self._limits.restore_original_limits()


#: Context in which BLAS uses one thread, in the whole process.
one_blas_thread = _Limit()


def in_threads(
    work: Callable[[Block], Result], blocks: Iterable[Block], *, single_blas: bool = False
) -> Iterator[Result]:
    """Work on blocks in several threads; yields the results in the order of the blocks.

    As many threads work as OpenMP would use (`OMP_NUM_THREADS`). A block is taken when a thread
    will soon be free for it, so few blocks are in memory at once.

    Parameters
    ----------
    work : callable
        Makes a block's result. An exception is raised where the result would be yielded.
    blocks : iterable
    single_blas : bool, default False
        Whether BLAS uses one thread meanwhile, for blocks whose products are small.
    """
    workers = omp_get_max_threads()  # before the limit: some builds of BLAS count with OpenMP
    limits = one_blas_thread() if single_blas else nullcontext()
    ahead: deque[Future[Result]] = deque()
    with limits, ThreadPoolExecutor(workers) as pool:
        for block in blocks:
            ahead.append(pool.submit(work, block))
            if len(ahead) > workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

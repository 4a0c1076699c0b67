"""Work on blocks by several threads: numpy, scipy and faiss let go of the interpreter's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

from faiss import omp_get_max_threads
from threadpoolctl import threadpool_limits

Block = TypeVar("Block")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Block], Result], blocks: Iterable[Block], *, single_blas: bool = False
) -> Iterator[Result]:
    """Results of some work on blocks, in the order of the blocks.

    As many threads work as OpenMP would use (`OMP_NUM_THREADS`). A block is taken when a thread
    will soon be free for it, so however many there are, few are in memory.

    Parameters
    ----------
    work : callable
        From a block to its result. An exception of it is raised where its result would be.
    blocks : iterable
    single_blas : bool, default False
        Whether BLAS uses one thread meanwhile, for blocks whose products are small.
    """
    workers = omp_get_max_threads()  # before the limit: some builds of BLAS count with OpenMP
    limits = threadpool_limits(1, user_api="blas") if single_blas else nullcontext()
    ahead: deque[Future[Result]] = deque()
    with limits, ThreadPoolExecutor(workers) as pool:
        for block in blocks:
            ahead.append(pool.submit(work, block))
            if len(ahead) > workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

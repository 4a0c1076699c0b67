from __future__ import annotations

import threading

import pytest
from faiss import omp_get_max_threads, omp_set_num_threads
from threadpoolctl import threadpool_info

from pipelines.models.kernels.threads import in_threads, one_blas_thread


def test_results_come_in_the_order_of_the_blocks() -> None:
    assert list(in_threads(lambda n: n * n, range(100))) == [n * n for n in range(100)]


def test_nothing_comes_of_nothing() -> None:
    assert list(in_threads(str, [])) == []


def test_blocks_are_taken_only_when_they_are_needed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.models.kernels.threads.omp_get_max_threads", lambda: 2)
    taken: list[int] = []
    results = in_threads(str, (taken.append(n) or n for n in range(50)))

    assert next(results) == "0"
    assert len(taken) == 3
    assert list(results) == [str(n) for n in range(1, 50)]


def test_several_threads_work_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.models.kernels.threads.omp_get_max_threads", lambda: 2)
    both = threading.Barrier(2, timeout=20)

    assert sorted(in_threads(lambda _: both.wait(), range(2))) == [0, 1]


def test_as_many_threads_work_where_blas_is_held_to_one() -> None:
    workers = omp_get_max_threads()
    omp_set_num_threads(2)
    try:
        both = threading.Barrier(2, timeout=20)
        found = list(
            in_threads(lambda _: (both.wait(), blas_threads()), range(2), single_blas=True)
        )
    finally:
        omp_set_num_threads(workers)
    assert {most for _, most in found} == {1}


def test_blas_is_held_until_the_last_one_leaves_in_whatever_order() -> None:
    before = blas_threads()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    held = blas_threads()
    second.__exit__(None, None, None)
    assert (held, blas_threads()) == (1, before)
    with one_blas_thread():
        assert blas_threads() == 1
    assert blas_threads() == before


def blas_threads() -> int:
    """Of numpy's and scipy's; the one of faiss counts with OpenMP, by calling thread."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(pool["num_threads"] for pool in pools if pool["threading_layer"] != "openmp")


def test_a_failure_is_raised_where_its_result_would_be() -> None:
    def halve(n: int) -> int:
        if n == 3:
            raise ZeroDivisionError("three")
        return n

    results = in_threads(halve, range(10))

    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError, match="three"):
        next(results)

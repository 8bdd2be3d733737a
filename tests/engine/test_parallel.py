"""Long tasks in threads, and BLAS that gets its threads back."""

import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from wann_core.parallel import blas, each


def blas_threads() -> set[int]:
    """Of NumPy's and SciPy's BLAS; faiss's own, on OpenMP, has a number for each thread."""
    pools = [pool for pool in threadpool_info() if pool.get("threading_layer") == "pthreads"]
    return {pool["num_threads"] for pool in pools}


def nothing(done: int) -> None:
    """Told, and glad of it."""


def test_answers_come_in_the_order_of_their_items_and_are_reported() -> None:
    told: list[int] = []

    def work(item: int) -> int:
        time.sleep(0.02 * (3 - item))
        return item * item

    assert each(work, range(4), told.append) == [0, 1, 4, 9]
    assert told == [0, 1, 2, 3]
    assert each(work, [], nothing) == []


def test_blas_has_one_thread_a_task_and_its_own_number_after() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before = blas_threads()
    assert each(lambda _: blas_threads(), range(3), nothing) == [{1}] * 3
    assert blas_threads() == before
    with blas.bounded(1):
        each(lambda _: None, range(2), nothing)
        assert blas_threads() == {1}
    assert blas_threads() == before


@pytest.mark.parametrize("teller", [True, False])
def test_what_fails_or_is_stopped_ends_before_the_other_tasks_begin(teller: bool) -> None:
    before, begun = blas_threads(), list[int]()
    go_on = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        go_on.wait(10)
        if not teller and item == 0:
            raise InterruptedError
        time.sleep(0.02)

    def tell(done: int) -> None:
        go_on.set()
        if teller:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        each(work, range(1000), tell)
    assert len(begun) < 1000
    assert blas_threads() == before

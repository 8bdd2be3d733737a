"""Work in threads: compiled kernels over slices of rows, and independent fits.

The kernels release the interpreter lock. A thread pool of our own, unlike a parallel numba kernel
on its default threading layer, may be entered from many threads at once, as the sessions of a
dashboard do, and brings no further OpenMP runtime beside those of faiss and torch.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")

_CORES = os.cpu_count() or 1
# A worker process learns its share of the cores as OpenMP's libraries do.
_TOLD = os.environ.get("OMP_NUM_THREADS", "")
_THREADS = min(int(_TOLD), _CORES) if _TOLD.isdecimal() and int(_TOLD) else _CORES
_pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="wann-rows")


def in_slices(kernel: Callable[..., None], n: int, *args: Any, rows: int = 4096) -> None:
    """Call `kernel(start, stop, *args)` until [0, n) is covered, `rows` at a time."""
    if n <= rows:
        kernel(0, n, *args)
        return
    starts = range(0, n, rows)
    for task in [_pool.submit(kernel, start, min(start + rows, n), *args) for start in starts]:
        task.result()


def in_blocks(
    work: Callable[[slice], None], n: int, rows: int, on_done: Callable[[int], None]
) -> None:
    """Call `work` in threads with slices of `rows` until [0, n) is covered.

    Parameters
    ----------
    work : callable
        Must not use these threads itself.
    n, rows : int
    on_done : callable
        Called in this thread with how many rows are done; may raise to stop.
    """
    parts = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
    tasks = [_pool.submit(work, part) for part in parts]
    try:
        for part, task in zip(parts, tasks, strict=True):
            task.result()
            on_done(part.stop)
    finally:
        for task in tasks:
            task.cancel()
        wait(tasks)


class _Blas:
    """BLAS knows one number of threads for the whole process: whoever is last gives it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limits: Any = None

    @contextlib.contextmanager
    def bounded(self, threads: int) -> Iterator[None]:
        """Limit BLAS to this many threads, or to the limit that an earlier caller still holds."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._limits = threadpool_limits(threads, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._limits.restore_original_limits()


blas = _Blas()


def each(
    work: Callable[[Item], Result], items: Sequence[Item], on_done: Callable[[int], None]
) -> list[Result]:
    """What a few long tasks answer, in the order of their items.

    Products as thin as those of a linear model are slower on many threads of BLAS than on one: each
    task has one to itself.

    Parameters
    ----------
    work : callable
    items : sequence
    on_done : callable
        Told in this thread how many tasks are done; may raise to stop before the others begin.
    """
    with blas.bounded(1), ThreadPoolExecutor(_THREADS) as pool:
        tasks = [pool.submit(work, item) for item in items]
        try:
            results: list[Result] = []
            for task in tasks:
                on_done(len(results))
                results.append(task.result())
        finally:
            pool.shutdown(cancel_futures=True)
    return results

"""Run a compiled kernel over slices of rows in threads.

The kernels release the interpreter lock. A thread pool of our own, unlike a parallel numba kernel
on its default threading layer, may be entered from many threads at once, as the sessions of a
dashboard do, and brings no further OpenMP runtime beside those of faiss and torch.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_CORES = os.cpu_count() or 1
# A worker process among others is told its share of the cores as OpenMP's libraries are.
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

"""Threads that embed side by side, and stop when nobody waits for them any more.

A model on the processor is run by several threads, each with a batch of its own, rather than by one
whose every operation is shared out to all cores: such an operation ends with the last of its parts,
so that one busy core holds up all. Measured beside other work, the same batches cost up to ten
times the time that way.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.2
_here = threading.local()


class Stopped(Exception):
    """Raised in a lane whose caller has gone."""


def check() -> None:
    """Raise `Stopped` in a lane whose caller has gone; a model calls it between its layers."""
    stop: threading.Event | None = getattr(_here, "stop", None)
    if stop is not None and stop.is_set():
        raise Stopped


def inside() -> bool:
    """Whether this thread is a lane."""
    return hasattr(_here, "stop")


@contextmanager
def opened(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of this many lanes; on exit they stop as soon as they can, without a wait."""
    stop = threading.Event()

    def enter() -> None:
        _here.stop = stop

    pool = ThreadPoolExecutor(count, thread_name_prefix="wann-embed", initializer=enter)
    try:
        yield pool
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def result(future: "Future[T]", tick: Callable[[], None] | None) -> T:
    """What a lane has made; until then `tick` is called some times a second, and may raise."""
    while tick is not None and not wait([future], _POLL_SECONDS).done:
        tick()
    return future.result()

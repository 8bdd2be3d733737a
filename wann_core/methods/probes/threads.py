"""How many threads torch should take for the small steps of a probe's training."""

import contextlib
import threading
import time
from collections.abc import Iterator

import torch

# Steps that try each number.
_TRIAL = 5


class Pace:
    """One thread or all of them, whichever is faster; the first steps of each epoch try both.

    Threads that share a small matrix product wait for one another about as long as they work, and
    many times longer where other programs want the same cores; only the clock knows.
    """

    def __init__(self) -> None:
        self._usual = torch.get_num_threads()
        self._marks: list[float] = []

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Give the calling thread its usual number back at the end."""
        try:
            yield
        finally:
            torch.set_num_threads(self._usual)

    def before(self, step: int) -> None:
        """Choose the number for a step, counted from 0 in each epoch."""
        if self._usual == 1 or step % _TRIAL or step > 2 * _TRIAL:
            return
        self._marks = [*self._marks[: step // _TRIAL], time.perf_counter()]
        if step == 0:
            self._set(1)
        elif step == _TRIAL:
            self._set(self._usual)
        else:
            first, second, third = self._marks
            self._set(self._usual if third - second < second - first else 1)

    def _set(self, count: int) -> None:
        torch.set_num_threads(count)
        # Each thread has its own count, but new ones start from what was set last.
        other = threading.Thread(target=torch.set_num_threads, args=(self._usual,))
        other.start()
        other.join()

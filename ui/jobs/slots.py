"""How many jobs run at once, and who comes next."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator

POLL_SECONDS = 0.2  # between looks at whether a waiting job was asked to stop


class Slots:
    """Places for jobs that run at once; the others wait in the order in which they came.

    Parameters
    ----------
    count : int
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, on_wait: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place; `on_wait(before)` is called meanwhile, and may raise to give it up."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
        try:
            while (before := self._before(ticket)) >= 0:
                on_wait(before)
        except BaseException:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()
            raise
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _before(self, ticket: object) -> int:
        """How many come first, after a short wait for a place; -1 once it is taken."""
        with self._changed:
            if self._changed.wait_for(
                lambda: self._free > 0 and self._queue[0] is ticket, POLL_SECONDS
            ):
                self._queue.popleft()
                self._free -= 1
                self._changed.notify_all()
                return -1
            return self._queue.index(ticket)

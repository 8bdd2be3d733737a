"""A bounded memory of costly objects, shared by threads."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from wann_core.progress import Progress

T = TypeVar("T")

_POLL_SECONDS = 0.2


class SharedCache:
    """A bounded, thread-safe memory of costly objects; the least recently used go first.

    Threads that ask for the same missing key wait for one of them to build it; other keys are
    served meanwhile.

    Parameters
    ----------
    max_bytes : int
        Bound on the sum of the sizes that the builders report; the newest object is kept even if
        it alone is larger.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._building: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(
        self,
        key: Hashable,
        build: Callable[[], tuple[T, int]],
        progress: Progress | None = None,
    ) -> T:
        """Return the object under `key`, made by `build() -> (object, bytes)` if it is missing.

        While another thread builds it, `progress` is called some times a second and may raise to
        stop the wait.
        """
        with self._lock:
            if key in self._entries:
                known: T = self._hit(key)
                return known
            building = self._building.setdefault(key, threading.Lock())
        while not building.acquire(timeout=_POLL_SECONDS):
            if progress is not None:
                progress(0, 1, "waiting for another job that prepares the same")
        try:
            with self._lock:
                if key in self._entries:
                    known = self._hit(key)
                    return known
            try:
                value, size = build()
                with self._lock:
                    self._entries[key] = (value, size)
                    while len(self._entries) > 1 and self._bytes() > self.max_bytes:
                        self._entries.popitem(last=False)
            finally:
                with self._lock:
                    self._building.pop(key, None)
            return value
        finally:
            building.release()

    def _hit(self, key: Hashable) -> Any:
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def _bytes(self) -> int:
        return sum(size for _, size in self._entries.values())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

"""Whether kernels are being compiled, as at the first start: progress bars mention it."""

import threading
import time
from functools import cache
from typing import Any

from numba.core import event

TEXT = "compiling kernels, once on this machine; up to a minute"
_PAUSE = 1.0  # seconds between two kernels of one streak
_WORTH_SAYING = 1.0  # seconds


class Watch(event.Listener):
    """Since when kernels are being compiled, one after another, in whatever thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._since = self._last = 0.0

    def on_start(self, _: Any) -> None:
        """A kernel's compilation begins; numba calls it."""
        with self._lock:
            now = time.monotonic()
            if not self._running and now - self._last > _PAUSE:
                self._since = now
            self._running += 1

    def on_end(self, _: Any) -> None:
        """A kernel's compilation ends; numba calls it."""
        with self._lock:
            self._running = max(self._running - 1, 0)  # it may have begun before the watch
            self._last = time.monotonic()

    def going_on(self) -> bool:
        """Whether one has been going on for so long that it is worth saying."""
        with self._lock:
            now = time.monotonic()
            active = self._running > 0 or now - self._last <= _PAUSE
            return active and now - self._since > _WORTH_SAYING


@cache
def watch() -> Watch:
    """Watch this process's compilations from now on."""
    made = Watch()
    event.register("numba:compile", made)  # type: ignore[no-untyped-call]  # numba
    return made

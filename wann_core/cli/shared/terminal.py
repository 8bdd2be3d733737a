"""What commands show on a terminal while they work."""

import sys
import time

from wann_core.text import visible


class Progress:
    """A line on the terminal that rewrites itself, for work of more than a second."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        # Work that is resumed does not start at 0.
        self.first: float | None = None
        self.width = 0

    def __call__(self, done: float, total: float, text: str) -> None:
        """Draw it; `done` of `total` are done."""
        if self.first is None or done < self.first:
            self.first, self.started = done, time.monotonic()
        seconds = time.monotonic() - self.started
        if seconds > 1 and done > self.first:
            left = seconds / (done - self.first) * (total - done)
            end = "\n" if done == total else ""
            line = f"{visible(text)}: {done / total:.0%}, {duration(left)} left"
            # Blanks wipe out what is left of a longer line.
            print(f"\r{line:{self.width}} ", end=end, file=sys.stderr, flush=True)
            self.width = len(line)


def terminal_progress() -> Progress | None:
    """A progress line, if somebody is watching."""
    return Progress() if sys.stderr.isatty() else None


def note(text: str) -> None:
    """Print a line beside the result: on standard error, no control character of a file in it."""
    print(f"note: {visible(text)}", file=sys.stderr)


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    Examples
    --------
    >>> duration(42), duration(150), duration(9000)
    ('42 s', '2.5 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

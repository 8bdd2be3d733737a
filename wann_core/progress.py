"""The callback by which long work reports, and by which it is stopped."""

from collections.abc import Callable

# Called as `progress(done, total, text)`; it may raise to stop the work.
Progress = Callable[[float, float, str], None]

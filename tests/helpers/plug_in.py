"""The example plug-in, in a session or in a file, and what is left when a test ends."""

import contextlib
import runpy
from collections.abc import Iterator

from tests.helpers.roots import ROOT
from wann_core.methods.probes.losses.registry import ALL_LOSSES
from wann_core.methods.registry import ALL_METHODS
from wann_core.noise.registry import ALL_PATTERNS

EXAMPLE = ROOT / "examples" / "plugin.py"
_TABLES = (ALL_METHODS, ALL_PATTERNS, ALL_LOSSES)


def forget_registered() -> None:
    """Remove all that is not built in."""
    for table in _TABLES:
        for entry in table.registered():
            table.remove(entry.name)


@contextlib.contextmanager
def example_registered() -> Iterator[None]:
    """Run the example in this session."""
    runpy.run_path(str(EXAMPLE))
    try:
        yield
    finally:
        forget_registered()

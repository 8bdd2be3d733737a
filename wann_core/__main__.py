"""`python -m wann_core`: the command line."""

import sys
from collections.abc import Sequence

from wann_core.cli import main as command_line


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command as `wann` does."""
    return command_line.main(argv, prog="python -m wann_core")


if __name__ == "__main__":
    sys.exit(main())

"""The command line: `python -m wann_core COMMAND …`."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

import wann_core
from wann_core.cli import audit, embed, knn, predict, probe, review_export, review_import, sweep
from wann_core.errors import WannError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence instead of the whole usage."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, or 2 where the request cannot be served."""
    parser = _Parser(prog="python -m wann_core", description=wann_core.__doc__)
    parser.add_argument("--version", action="version", version=wann_core.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    knn.add_parser(commands)
    predict.add_parser(commands)
    embed.add_parser(commands)
    probe.add_parsers(commands)
    audit.add_parser(commands)
    review_export.add_parser(commands)
    review_import.add_parser(commands)
    sweep.add_parser(commands)
    given = sys.argv[1:] if argv is None else argv
    if not given:
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(given)
    try:
        args.run(args)
    except (WannError, OSError) as error:
        print(f"{parser.prog} {args.command}: {_told(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{str(error.filename)!r} cannot be read or written: {error.strerror}."
    return str(error)


if __name__ == "__main__":
    sys.exit(main())

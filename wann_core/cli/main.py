"""The command line: `wann COMMAND …`, the same as `python -m wann_core COMMAND …`."""

import argparse
import importlib
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from wann_core.cli.shared.outputs import refuse_overwriting
from wann_core.errors import WannError, near_name
from wann_core.plugins import load_plugins
from wann_core.text import visible
from wann_core.version import __version__

_ABOUT = (
    "WANN Explorer: classify and audit data with noisy labels by weighted adaptive nearest "
    "neighbors."
)
# Name, module, line of the overview. A module is imported when its command is asked for: some need
# seconds for that.
_COMMANDS = (
    ("app", "app", "open the dashboard in a browser"),
    ("audit", "labels.audit", "rank labels by how wrong they look: a folder, a table, a data set"),
    ("compare", "compare", "accuracy of several methods over noise ratios and seeds"),
    ("consensus", "labels.consensus", "find one label of several annotators' labels"),
    ("embed", "embed", "embed images by a timm model, or as bare pixels"),
    ("import", "import_table", "make a database of a table of embeddings"),
    ("issues", "labels.issues", "list every issue: labels, duplicates, outliers, faulty images"),
    ("knn", "knn", "classify test rows by kNN, ANN or WANN"),
    ("next", "labels.next_labels", "choose the rows that are most worth labeling"),
    ("predict", "predict", "label unlabeled rows or images"),
    ("probe-test", "probe", "test a linear probe"),
    ("probe-train", "probe", "train linear probes under robust losses"),
    ("recommend", "recommend", "choose method, bounds of k and reduction without clean labels"),
    ("relabel", "labels.relabel", "make a new version of a data set from another table of labels"),
    ("review-export", "labels.review_export", "write the labels after review for other programs"),
    (
        "review-import",
        "labels.review_import",
        "take over verdicts that were given in other programs",
    ),
    ("sweep", "sweep", "run all scenarios of a plan and print their table"),
)
_EPILOG = "examples: wann app; wann audit photos/ --backbone pixels --out issues.csv"


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Append defaults to each flag's help, unless they carry no information."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = "(default" in (action.help or "")
        silent = action.default is None or action.default is False or action.default == ""
        if shown or silent or action.required:
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Flags are taken with dashes or underscores, and in full; a mistake is one sentence."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=HelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Print one sentence instead of the whole usage."""
        self.exit(2, f"{self.prog}: {message}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Spell flags as they were added: `--noise-ratio` for `--noise_ratio`.

        The names of those that were given are added to what was parsed, see `refuse_unused`.
        """
        given = sys.argv[1:] if args is None else list(args)
        spelled = [self._spelled(one) for one in given]
        found, unknown = super().parse_known_args(spelled, namespace)
        actions = (self._option_string_actions.get(one.partition("=")[0]) for one in spelled)
        # A command's parser comes first: of its flags, this one knows none.
        found.given = getattr(found, "given", set()) | {one.dest for one in actions if one}
        return found, unknown

    def _spelled(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        if not name.startswith("--") or name in self._option_string_actions:
            return argument
        for other in (name[2:].replace("-", "_"), name[2:].replace("_", "-")):
            if f"--{other}" in self._option_string_actions:
                return f"--{other}{equals}{value}"
        return argument

    def refuse(self, unknown: str) -> NoReturn:
        """Say that an argument is unknown, and what it may have meant."""
        flag = unknown.partition("=")[0]
        near = near_name(flag, self._option_string_actions) if flag[:1] == "-" else None
        hint = f"did you mean {near}?" if near else "see --help."
        self.error(f"{visible(unknown)!r} is not an argument of this command; {hint}")

    def flag_of(self, field: str) -> str | None:
        """Return the flag of a field of the engine: '--kmin' of 'k_min', '--seeds' of 'seed'."""
        for wanted in (field, field.replace("_", ""), f"{field}s"):
            for flag, action in self._option_string_actions.items():
                if action.dest == wanted and flag.startswith("--"):
                    return flag
        return None


def main(argv: Sequence[str] | None = None, *, prog: str = "wann") -> int:
    """Run a command.

    Returns
    -------
    int
        0; 1 where a command asks for it (`audit --fail-above`); 2 where it cannot be served.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    parser = Parser(prog=prog, description=_ABOUT, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((one for one in given if not one.startswith("-")), "")
    if asked not in ("", "app"):
        try:
            # First, as what they register is among the choices of flags. The dashboard shows by
            # itself what cannot be loaded, and serves all the same.
            load_plugins()
        except WannError as error:
            parser.error(str(error))
    added: set[str] = set()
    for name, file, line in _COMMANDS:
        if asked in [other for other, f, _ in _COMMANDS if f == file]:
            if file not in added:
                importlib.import_module(f"wann_core.cli.{file}").add_parser(commands)
            added.add(file)
        else:
            commands.add_parser(name, help=line, add_help=False)
    if not given:
        parser.print_help(sys.stderr)
        return 2
    args, unknown = parser.parse_known_args(given)
    if unknown:
        commands.choices[args.command].refuse(unknown[0])
    try:
        refuse_overwriting(args)
        return int(args.run(args) or 0)
    except (WannError, OSError) as error:
        chosen = commands.choices[args.command]
        print(f"{parser.prog} {args.command}: {_sentence(error, chosen)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _sentence(error: Exception, parser: Any) -> str:
    """Describe an error by the command's flags instead of the engine's fields."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{str(error.filename)!r} cannot be read or written: {error.strerror}."

    def flag(match: re.Match[str]) -> str:
        return parser.flag_of(match.group(1)) or match.group(0)

    return re.sub(r"`([a-z_]+)`", flag, visible(str(error)))

"""`python -m wann_core review-import`: verdicts that were given in other programs."""

import argparse
from typing import Any

from wann_core.cli.shared import flags
from wann_core.datasets import load
from wann_core.embedding import backbones
from wann_core.errors import WannError
from wann_core.paths import REVIEW_ROOT
from wann_core.review.imports import Ranking, import_verdicts, read_incoming
from wann_core.review.ledger import ledger_of


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "review-import",
        description="Read verdicts from another ledger, a table of ours (also as Excel or "
        "LibreOffice saves it), an export of Label Studio (JSON, JSON-MIN, CSV) or FiftyOne's "
        "labels.json, and record them as one operation that can be undone.",
        epilog="examples: review-import tasks-export.json --dataset photos --dry_run; "
        "review-import review.csv --dataset photos --overrule",
    )
    add = parser.add_argument
    add("file", help="recognized by its content")
    flags.add_data(add)
    add("--backbone", default=backbones.DEFAULT, help="any under which the data set is embedded")
    add("--review_root", help=f"where ledgers lie; else WANN_REVIEW_ROOT, else {REVIEW_ROOT}")
    add("--overrule", action="store_true", help="let them overrule the verdicts here that differ")
    add("--dry_run", "--dry-run", action="store_true", help="only print what is in the file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Record the verdicts and print what they were.

    Raises
    ------
    WannError
        If the file, the data or the ledger cannot serve; nothing has been recorded then.
    """
    data = load(args.dataset, args.backbone, *flags.roots(args))
    ledger = ledger_of(data, args.review_root)
    # A ranking needs no answer to which split it is of: it is refused all the same.
    kind, found = read_incoming(args.file, data, ledger, split="all")
    if isinstance(found, Ranking):
        raise WannError(
            f"this is {kind.title}: it ranks labels and holds no verdicts. The Label audit page "
            "reviews in its order.",
            "file",
        )
    print(f"recognized as {kind.title}: {found.text}")
    if args.dry_run:
        print("dry run: nothing is recorded.")
        return
    number = import_verdicts(found, ledger, overrule=args.overrule)
    taken = len(found.new) + (len(found.conflicts) if args.overrule else 0)
    done = f"operation {number} of {found.who!r}" if number is not None else "nothing to record"
    print(f"{taken:,} verdicts taken over ({done}) -> {ledger.path}")

"""`python -m wann_core relabel`: other labels for embeddings that are there."""

import argparse
from typing import Any

from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.terminal import terminal_progress
from wann_core.datasets import load
from wann_core.embedding import backbones
from wann_core.errors import WannError
from wann_core.review.relabeling import relabel
from wann_core.storage.tables import write_frame


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "relabel",
        description="Put the labels of a CSV or Parquet table (id or file, and label) on the rows "
        "of an embedding database and write it under a new name, without embedding again.",
        epilog="examples: relabel labels.csv --dataset photos --out photos-v2; "
        "relabel labels.parquet --dataset photos --dry_run --report changes.csv",
    )
    add = parser.add_argument
    add("file", help="the table: a label, and id, file, or split and row")
    flags.add_data(add)
    add("--backbone", default=backbones.DEFAULT, help="whose embeddings are written")
    add("--out", metavar="NAME", help="name of the new data set in --database_root")
    outputs.add_file(add, "--report", "where every change goes, as CSV")
    add("--dry_run", "--dry-run", action="store_true", help="only print what would change")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the new version and print what changed.

    Raises
    ------
    WannError
        If a flag, the table or the data cannot serve; no database has been written then.
    """
    if not args.dry_run and not args.out:
        raise WannError("`out`, the name of the new data set, is needed without --dry_run.", "out")
    report = args.report and outputs.check_file("report", args.report, outputs.CSV)
    data = load(args.dataset, args.backbone, *flags.roots(args))
    made = relabel(args.file, data)
    print(made.text)
    if report:
        write_frame(report, made.changes)
        print(f"{len(made.changes):,} changes -> {report}")
    if args.dry_run:
        print("dry run: no database is written.")
    else:
        place = made.write(args.database_root, args.out, progress=terminal_progress())
        print(f"{args.out} -> {place}")

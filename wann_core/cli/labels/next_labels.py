"""`wann next`: which rows without a label to label next."""

import argparse
from pathlib import Path
from typing import Any

from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.audit_sources import named_database
from wann_core.cli.shared.terminal import terminal_progress
from wann_core.embedding import backbones
from wann_core.errors import WannError, check_number
from wann_core.review.labeling import next_rows, unlabeled_rows
from wann_core.storage.tables import write_frame


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "next",
        description="Of the rows of an embedding database that have no label, choose those that "
        "are uncertain and unlike each other. Test rows are not chosen.",
        epilog="examples: wann next --dataset photos --rows 200 --out next.csv; wann next "
        "database/photos/pixels --out next.csv",
    )
    add = parser.add_argument
    flags.add_source(add, "a database")
    add("--backbone", default=backbones.DEFAULT, help="whose embeddings judge")
    add("--rows", type=int, default=100, help="how many to choose")
    outputs.add_file(add, "--out", "the rows, .csv or .parquet", required=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the rows and print how many there are.

    Raises
    ------
    WannError
        If a flag or the data cannot serve; nothing has been written then.
    """
    out = outputs.check_file("out", args.out)
    check_number("rows", args.rows, 1, whole=True)
    data = named_database(args)
    if isinstance(data, Path):
        raise WannError(f"`path` must be a database, got {args.path!r}.", "path")
    found = next_rows(data, args.rows, progress=terminal_progress())
    write_frame(out, found)
    print(f"{len(found):,} of {unlabeled_rows(data):,} rows without a label -> {out}")

"""`wann consensus`: one label of several annotators' labels."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wann_core.audit.annotators.consensus import Consensus, consensus
from wann_core.cli.shared import columns, flags, outputs
from wann_core.cli.shared.audit_sources import IN_TABLE, OF_DATABASES, named_database
from wann_core.cli.shared.terminal import terminal_progress
from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import inspect, read
from wann_core.datasets.tables.columns import unknown_column
from wann_core.datasets.tables.records import read_columns
from wann_core.embedding import backbones
from wann_core.errors import WannError, check_number
from wann_core.review.annotations import consensus_of, long_table
from wann_core.storage.tables import write_frame


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "consensus",
        description="Several annotators labeled the rows of PATH (a table of embeddings or an "
        "embedding database): in columns of it (--annotators), or in another table of the "
        "columns row (the name of the row), annotator and label (--annotations). Labels and "
        "embeddings together give each row its likeliest label, each annotator a quality, and the "
        "rows that most need another label.",
        epilog="examples: wann consensus vectors.parquet --annotators ann bob --out labels.csv; "
        "wann consensus --dataset photos --annotations labels.csv --out labels.csv --quality "
        "annotators.csv --again again.csv",
    )
    add = parser.add_argument
    flags.add_source(add, "a table or a database")
    add("--backbone", default=backbones.DEFAULT, help="whose embeddings judge")
    add("--annotators", nargs="+", metavar="COLUMN", help="columns of PATH, one an annotator")
    add("--annotations", metavar="FILE", help="CSV or Parquet: row, annotator, label")
    outputs.add_file(add, "--out", "consensus labels, .csv or .parquet", required=True)
    outputs.add_file(add, "--quality", "annotators, worst first, .csv or .parquet")
    outputs.add_file(add, "--again", "rows to label once more and by whom, .csv or .parquet")
    add("--rows", type=int, default=100, help="of --again")
    columns.add_columns(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the tables and print one line.

    Raises
    ------
    WannError
        If a flag or the data cannot serve; nothing has been written then.
    """
    check_number("rows", args.rows, 1, whole=True)
    files = {flag: getattr(args, flag) for flag in ("out", "quality", "again")}
    for flag, name in files.items():
        if name is not None:
            outputs.check_file(flag, name)
    if args.again is None:
        flags.refuse_unused(args, "without --again", "rows")
    if args.annotators is not None and args.annotations is not None:
        raise WannError("name either `annotators` or `annotations`.", "annotators")
    found = _found(args)
    tables = {
        "out": found.table,
        "quality": found.annotators,
        "again": found.label_again(args.rows),
    }
    for flag, name in files.items():
        if name is not None:
            write_frame(Path(name), tables[flag])
    print(f"{found!r} -> {args.out}".replace("\n", "; "))


def _found(args: argparse.Namespace) -> Consensus:
    data = named_database(args)
    if not isinstance(data, Path):
        return _of_database(data, args)
    if not data.is_file():
        raise WannError(f"`path` must be a table or a database, got {str(data)!r}.", "path")
    return _of_table(data, args)


def _of_table(path: Path, args: argparse.Namespace) -> Consensus:
    if args.annotators is None and args.annotations is None:
        raise WannError("name `annotators` or `annotations`.", "annotators")
    flags.refuse_unused(args, IN_TABLE, *OF_DATABASES)
    progress = terminal_progress()
    table = read(path, columns.chosen(path, args), progress=progress)
    finite = np.flatnonzero(np.isfinite(table.X).all(axis=1))
    names = table.ids or table.images or [str(row) for row in table.rows]
    if args.annotators is None:
        labels = long_table(Path(args.annotations))
    else:
        given = read_columns(path, args.annotators)
        missing = [name for name in args.annotators if name not in given]
        if missing:
            raise unknown_column("annotators", missing[0], inspect(path).columns)
        wide = pd.DataFrame({name: given[name] for name in args.annotators}, dtype=object)
        labels = wide.iloc[table.rows[finite]].reset_index(drop=True)
    return consensus(
        table.X[finite], labels, ids=[names[i] for i in finite.tolist()], progress=progress
    )


def _of_database(data: Dataset, args: argparse.Namespace) -> Consensus:
    columns.refuse(args, f"the database {data.name!r}")
    long = None if args.annotations is None else Path(args.annotations)
    return consensus_of(data, long, annotators=args.annotators or (), progress=terminal_progress())

"""`python -m wann_core review-export`: labels after review, for other programs."""

import argparse
from pathlib import Path
from typing import Any

from wann_core.audit.evidence import DEFAULT_SCORE, SCORES
from wann_core.audit.label_audit import audit
from wann_core.cli import flags
from wann_core.cli.terminal import terminal_progress
from wann_core.datasets import Dataset, load
from wann_core.datasets.database import is_name
from wann_core.embedding import backbones
from wann_core.errors import WannError
from wann_core.paths import REVIEW_ROOT
from wann_core.review.corrections import corrected
from wann_core.review.export_database import write_cleaned
from wann_core.review.export_labels import (
    Exported,
    csv_of,
    fiftyone_labels,
    image_folder_metadata,
    label_studio_tasks,
    parquet_of,
    review_table,
)
from wann_core.review.ledger import Ledger, ledger_of

FORMATS = ("csv", "parquet", "npz", "imagefolder", "fiftyone", "labelstudio")
_RANKED = ("csv", "parquet", "labelstudio")


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "review-export",
        help="write the labels after review for other programs",
        description="Apply the verdicts of a data set's ledger and write its labels. CSV, Parquet "
        "and Label Studio's tasks are ranked by an audit first.",
        formatter_class=flags.HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    flags.add_data(add)
    add("--backbone", default=backbones.DEFAULT, help="whose embeddings judge, or are written")
    add("--review_root", help=f"where ledgers lie; else WANN_REVIEW_ROOT, else {REVIEW_ROOT}")
    add("--format", choices=FORMATS, required=True, help="what is written")
    add(
        "--out",
        required=True,
        metavar="FILE",
        help="where it goes; for npz the name of the new data set in --database_root",
    )
    add("--score", choices=SCORES, default=DEFAULT_SCORE, help="what ranks the labels")
    add("--no_probe", action="store_true", help="neighbors only: faster, and finds less")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the labels and print one line.

    Raises
    ------
    WannError
        If a flag, the data or the ledger cannot serve; nothing has been written then.
    """
    out = Path(args.out)
    if args.format != "npz" and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise WannError(f"`out` must be a file in an existing folder, got {args.out!r}.", "out")
    if args.format == "npz" and (not is_name(args.out) or out.suffix == ".npz"):
        raise WannError(
            "`--out` must, for npz, be the name of a new data set in --database_root, no file: "
            "letters, digits, blanks, '.', '_', '-', '+' and inner '/', not ending in .npz; got "
            f"{args.out!r}.",
            "out",
        )
    data = load(args.dataset, args.backbone, *flags.roots(args))
    ledger = ledger_of(data, args.review_root)
    after = corrected(data, ledger.verdicts())
    told = ", ".join(f"{count:,} {action}" for action, count in after.counts.items())
    if args.format == "npz":
        place = write_cleaned(
            after,
            args.database_root,
            args.out,
            ledger=ledger.path.name,
            progress=terminal_progress(),
        )
        print(f"[npz] {told} -> {place}")
        return
    exported = _exported(args, data, ledger)
    exported.write(out)
    left = f", {exported.left_out:,} left out" if exported.left_out else ""
    print(f"[{args.format}] {told}; {exported.rows:,} rows{left} -> {out}")


def _exported(args: argparse.Namespace, data: Dataset, ledger: Ledger) -> Exported:
    verdicts = ledger.verdicts()
    if args.format not in _RANKED:
        after = corrected(data, verdicts)
        if args.format == "fiftyone":
            return fiftyone_labels(after)
        return image_folder_metadata(after, verdicts)
    found = audit(data, score=args.score, probe=not args.no_probe, progress=terminal_progress())
    table = review_table(found.ranked(), verdicts, found.score_name)
    if args.format == "labelstudio":
        return label_studio_tasks(data, table)
    return csv_of(table) if args.format == "csv" else parquet_of(table)

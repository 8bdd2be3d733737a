"""`python -m wann_core audit`: which labels of a data set look wrong, as a table."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from wann_core.audit.evidence import DEFAULT_SCORE, SCORES
from wann_core.audit.label_audit import audit
from wann_core.cli import flags
from wann_core.cli.terminal import terminal_progress
from wann_core.datasets import load
from wann_core.embedding import backbones
from wann_core.errors import WannError, check_number
from wann_core.neighbors.plan import SEARCHES
from wann_core.storage.files import write_atomically
from wann_core.storage.tables import to_csv, to_parquet


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "audit",
        help="rank the labels of a data set by how wrong they look",
        description="Judge every label of train, val and test by the other rows and write a table, "
        "most doubtful label first.",
        formatter_class=flags.HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    flags.add_data(add)
    add("--backbone", default=backbones.DEFAULT, help="whose embeddings judge")
    add("--out", required=True, metavar="FILE", help="where the table goes, .csv or .parquet")
    add("--score", choices=SCORES, default=DEFAULT_SCORE, help="what ranks the labels")
    add("--no_probe", action="store_true", help="neighbors only: faster, and finds less")
    add(
        "--search",
        choices=SEARCHES,
        default="auto",
        help="fastest search of enough measured recall, or exact",
    )
    add("--top", type=int, metavar="N", help="write the N most doubtful rows only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Audit, write the table and print one line.

    Raises
    ------
    WannError
        If a flag or the data cannot serve; nothing has been written then.
    """
    out = Path(args.out)
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise WannError(f"`out` must end in .csv or .parquet, got {args.out!r}.", "out")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise WannError(f"`out` must be a file in an existing folder, got {args.out!r}.", "out")
    if args.top is not None:
        check_number("top", args.top, 1, whole=True)
    data = load(args.dataset, args.backbone, *flags.roots(args))
    found = audit(
        data,
        score=args.score,
        probe=not args.no_probe,
        search=args.search,
        progress=terminal_progress(),
    )
    table = found.ranked().head(args.top if args.top is not None else len(found.table))
    csv = out.suffix.lower() == ".csv"
    content = to_csv(table).encode() if csv else to_parquet(table)
    write_atomically(out, partial(_write, content))
    noise = found.noise
    print(
        f"[{args.score}] about {noise.count:,} of {noise.rows:,} labels look wrong "
        f"({noise.low:,} to {noise.high:,}; noise rate {100 * noise.rate:.1f} %; "
        f"{found.evidence.graph.description}), "
        f"{len(table):,} rows -> {out}"
    )
    if not found.evidence.tells_apart:
        print(
            f"warning: {data.backbone} can hardly tell these classes apart (neighbors agree with "
            f"kappa {found.evidence.agreement:.2f}): the number says more of it than of the labels"
        )


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)

"""`wann issues`: every issue of a folder of images or a database, in one list."""

import argparse
from typing import Any

from wann_core.audit.issues.kinds import KINDS
from wann_core.audit.issues.listing import list_issues
from wann_core.audit.scores import DEFAULT_SCORE
from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.audit_sources import audit_named, named_path
from wann_core.cli.shared.terminal import terminal_progress
from wann_core.datasets import database
from wann_core.errors import WannError
from wann_core.storage.tables import write_frame


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "issues",
        description="List every issue of a folder of class folders (its images are embedded first) "
        "or of an embedding database: wrong labels, near-duplicates, leaks between splits, "
        "outliers, unreadable, blank, tiny, dark, bright and blurred images, classes that are too "
        "small or called alike.",
        epilog="examples: wann issues photos/ --backbone pixels --out issues.csv; "
        "wann issues --dataset photos --backbone resnet50 --out issues.parquet",
    )
    add = parser.add_argument
    flags.add_source(add, "a folder or a database")
    flags.add_backbone(add)
    outputs.add_file(add, "--out", "the list, .csv or .parquet", required=True)
    add("--no_probe", action="store_true", help="judge labels by neighbors only: faster")
    parser.set_defaults(run=run, score=DEFAULT_SCORE, search="auto", group=None, merge_alike=False)


def run(args: argparse.Namespace) -> None:
    """Write the list and print how many there are of each kind.

    Raises
    ------
    WannError
        If a flag or the data cannot serve; nothing has been written then.
    """
    out = outputs.check_file("out", args.out)
    path = named_path(args)
    if path is not None and path.is_file():
        raise WannError(
            "`path` must be a folder of images or a database; `wann import` makes one of a table.",
            "path",
        )
    progress = terminal_progress()
    audited = audit_named(args, progress)
    if audited.data is None or audited.place is None:
        raise WannError("`path` must be a folder of images or a database.", "path")
    skipped = database.manifest(audited.place).get("skipped", [])
    found = list_issues(audited.data, audited.found, skipped=skipped, progress=progress)
    write_frame(out, found.table)
    listed = ", ".join(f"{KINDS[k][0].lower()} {n:,}" for k, n in found.counts.items() if n)
    print(f"{listed or 'no issue'} -> {out}")

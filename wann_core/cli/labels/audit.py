"""`wann audit`: which labels look wrong, as a table, a report, or a gate of a pipeline."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from wann_core.audit.reviewing.reviewed_noise import ReviewedNoise, noise_after_review
from wann_core.audit.scores import DEFAULT_SCORE, SCORES
from wann_core.cli.labels import audit_cluster
from wann_core.cli.labels.printed import print_result
from wann_core.cli.shared import columns, flags, outputs
from wann_core.cli.shared.audit_sources import Audited, audit_named, named_path
from wann_core.cli.shared.terminal import terminal_progress
from wann_core.errors import WannError, check_number
from wann_core.paths import REVIEW_ROOT
from wann_core.review.exports.report import row_pictures
from wann_core.review.ledger import has_ledger, ledger_of
from wann_core.storage.tables import write_frame

_ENDINGS = (".csv", ".parquet", ".html")


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "audit",
        description="Judge every label by the other rows and write a table, most doubtful label "
        "first. PATH is a folder of class folders (its images are embedded first), a table of "
        "embeddings (CSV, Parquet, Feather, JSON lines, .npz), an embedding database, or a data "
        "set that Hugging Face's datasets saved to disk.",
        epilog="examples: wann audit photos/ --backbone pixels --out report.html; "
        "wann audit vectors.parquet --label breed --group patient --out issues.csv "
        "--fail-above 0.05",
    )
    add = parser.add_argument
    flags.add_source(add, "a folder or a table")
    flags.add_backbone(add)
    outputs.add_file(add, "--out", "where the result goes, .csv, .parquet or .html")
    add("--score", choices=SCORES, default=DEFAULT_SCORE, help="what ranks the labels")
    add("--no_probe", action="store_true", help="neighbors only: faster, and finds less")
    flags.add_search(add)
    add(
        "--review_root",
        help="where verdicts lie that sharpen the number of wrong labels; else "
        f"WANN_REVIEW_ROOT, else {REVIEW_ROOT}",
    )
    add(
        "--cluster",
        metavar="ADDRESS",
        help="a Dask scheduler, as tcp://host:8786: PATH names partitions, 'folder/*.parquet' or "
        "'s3://…', that its workers read; FILE is a folder that they write; no probe",
    )
    add("--top", type=int, metavar="N", help="write the N most doubtful rows only, to a table")
    add(
        "--fail_above",
        type=float,
        metavar="SHARE",
        help="exit with 1 if the low end of the estimated share of wrong labels lies above this",
    )
    add("--json", action="store_true", help="print one line of JSON instead of a sentence")
    named = columns.add_columns(parser)
    named("--group", metavar="COLUMN", help="rows of one group do not judge each other")
    flags.add_merge_alike(named)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit, write the result and print one line.

    Returns
    -------
    int
        1 if more labels look wrong than `--fail_above` allows, else 0.

    Raises
    ------
    WannError
        If a flag or the data cannot serve; nothing has been written then.
    """
    if args.cluster is not None:
        return audit_cluster.run(args)
    out = _checked(args)
    progress = terminal_progress()
    audited = audit_named(args, progress)
    rows = len(audited.found.table) if args.top is None else args.top
    if out is not None:
        _write(audited, out, rows)
    found, reviewed = audited.found, _reviewed(audited, args.review_root)
    noise = found.noise
    facts = {
        "labels": noise.rows,
        "wrong": noise.count,
        "wrong_low": noise.low,
        "wrong_high": noise.high,
        "rate": noise.rate,
        "tells_classes_apart": bool(found.evidence.separates_classes),
        "trust": found.evidence.trust,
        "not_judged": found.not_judged,
        "after_review": None if reviewed is None else dataclasses.asdict(reviewed),
        "warnings": list(found.warnings),
        "fail_above": args.fail_above,
    }
    search = found.evidence.graph.description
    written = "" if out is None else f", {min(rows, noise.rows):,} rows -> {out}"
    notes = [] if reviewed is None else [f"review: {reviewed.text}"]
    notes += [f"note: {text}" for text in found.notes]
    return int(print_result(facts, search, written, args, found.warnings, notes))


def _reviewed(audited: Audited, review_root: str | None) -> ReviewedNoise | None:
    """The number of wrong labels by the verdicts of the data set's ledger, if it has some."""
    data = audited.data
    if data is None or not has_ledger(data.name, review_root):
        return None
    ledger = ledger_of(data, review_root)
    reviewed = noise_after_review(audited.found, ledger.verdicts())
    return reviewed if reviewed.judged else None


def _checked(args: argparse.Namespace) -> Path | None:
    """The file of the result, if one is asked for; refuse flags that cannot serve."""
    named_path(args)
    if args.out is None and not args.json and args.fail_above is None:
        raise WannError("`out` names the file of the result, .csv, .parquet or .html.", "out")
    out = None if args.out is None else outputs.check_file("out", args.out, _ENDINGS)
    if out is None or out.suffix.lower() == ".html":
        flags.refuse_unused(args, "unless --out is a table, .csv or .parquet", "top")
    if args.top is not None:
        check_number("top", args.top, 1, whole=True)
    if args.fail_above is not None:
        check_number("fail_above", args.fail_above, 0, 1)
    return out


def _write(audited: Audited, out: Path, rows: int) -> None:
    if out.suffix.lower() == ".html":
        data, found = audited.data, audited.found
        picture = None if data is None else row_pictures(data, found.table)
        found.to_html(out, title=f"Label audit: {out.stem}", picture=picture)
        return
    write_frame(out, audited.found.ranked().head(rows))

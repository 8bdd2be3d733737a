"""`wann recommend`: which method, bounds of k and reduction to take, without clean labels."""

import argparse
import dataclasses
import json
import shlex
from typing import Any

from wann_core.audit.recommending.candidates import Candidate
from wann_core.audit.recommending.recommendation import FEWEST_ROWS, ROWS, recommend
from wann_core.audit.scores import DEFAULT_SCORE
from wann_core.cli.shared import columns, flags, outputs
from wann_core.cli.shared.audit_sources import audit_named
from wann_core.cli.shared.terminal import terminal_progress
from wann_core.errors import check_number
from wann_core.storage.tables import write_frame


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "recommend",
        description="Audit the labels, let every method answer rows that it was not fitted to, "
        "and rank the methods by how far the audit agrees with their answers. PATH is what "
        "wann audit takes.",
        epilog="examples: wann recommend vectors.parquet --label breed; wann recommend --dataset "
        "digits --backbone pixels --json",
    )
    add = parser.add_argument
    flags.add_source(add, "a folder or a table")
    flags.add_backbone(add)
    add("--no_probe", action="store_true", help="without logistic regression: faster, less sure")
    flags.add_search(add)
    add("--rows", type=int, default=ROWS, help="rows that are drawn at most")
    add("--top", type=int, default=5, metavar="N", help="print the N best methods")
    outputs.add_file(add, "--out", "all methods as a table, .csv or .parquet")
    add("--json", action="store_true", help="print one line of JSON instead of sentences")
    named = columns.add_columns(parser)
    named("--group", metavar="COLUMN", help="rows of one group do not judge each other")
    flags.add_merge_alike(named)
    parser.set_defaults(run=run, score=DEFAULT_SCORE)


def run(args: argparse.Namespace) -> None:
    """Print the choice and its reason.

    Raises
    ------
    WannError
        If a flag or the data cannot serve; nothing has been written then.
    """
    out = None if args.out is None else outputs.check_file("out", args.out)
    if args.json:
        flags.refuse_unused(args, "with --json", "top")
    check_number("top", args.top, 1, whole=True)
    check_number("rows", args.rows, FEWEST_ROWS, whole=True)
    progress = terminal_progress()
    found = recommend(audit_named(args, progress).found.evidence, rows=args.rows, progress=progress)
    if out is not None:
        write_frame(out, found.table)
    if args.json:
        facts = {
            "best": dataclasses.asdict(found.best),
            "text": found.text,
            "agreement": float(found.table["agreement"].iloc[0]),
            "ties": [str(one) for one in found.ties],
            "trust": found.trust,
            "answered": found.answered,
            "out": args.out,
        }
        print(json.dumps(facts))
        return
    print(found.text)
    print(how(found.best, args))
    print("agreement with the audit (it ranks methods and is not their accuracy):")
    wanted = ["name", "agreement", "behind", "half_width"]
    for name, agreement, behind, half in found.table[wanted].head(args.top).to_numpy().tolist():
        print(
            f"{100 * agreement:6.2f} %  {name}  (behind by {100 * behind:.2f} ± {100 * half:.2f})"
        )


def how(best: Candidate, args: argparse.Namespace) -> str:
    """What runs it: a command for a database, Python for what has none."""
    if best.method == "believed-kNN":
        reduced = "" if best.reduction is None else f", on {best.reduction}-reduced rows"
        return f"in Python: wann_core.BelievedNeighborsClassifier({best.belief:g}){reduced}"
    if best.method == "logreg":
        return "in Python: sklearn.linear_model.LogisticRegression on the same embeddings"
    flag = f"--k {best.k}" if best.method == "kNN" else f"--kmin {best.k_min} --kmax {best.k_max}"
    reduced = "" if best.reduction is None else f" --dimensionality_reduction {best.reduction}"
    # A table becomes a database by wann import, a folder by wann embed.
    source = "--dataset NAME --backbone NAME"
    if args.dataset is not None:
        source = f"--dataset {shlex.quote(args.dataset)} --backbone {shlex.quote(args.backbone)}"
    return (
        f"to label new rows by it: wann predict {source} --method {best.method} {flag}{reduced} "
        "--input FILE --out labels.csv"
    )

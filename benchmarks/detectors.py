"""Published detectors of wrong labels beside ours, on the same features.

Run `python -m benchmarks.detectors examples/detectors.toml`: that file names backbones, labels,
folders and where results are kept. Or give the folders yourself: `python -m benchmarks.detectors
DATABASE_ROOT DATASET_ROOT --results FILE.jsonl [--backbones NAME …]`. What the results hold is not
measured again, detector by detector; a backbone that is not embedded yet is left out, with the
command that embeds it. `--write docs/audit_measured.md` puts the table between that page's marks.

By default it takes the last 20,000 training rows of CIFAR-10, as `benchmarks.backbones`. Left out
is whatever needs the images.
"""

import argparse
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks._detectors import WITH, WITHOUT, Case
from benchmarks._results import Result, keep, kept, show
from benchmarks.audit import CIFAR_ROWS
from benchmarks.backbones import BACKBONES, COLUMNS, embedded, labels_of
from wann_core.audit.judging.evidence import Evidence
from wann_core.errors import WannError
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.noise.registry import PATTERNS

LABELS = ("aggre", "random1", "worse", "random3", "sym 0.2", "asym 0.3", "instance 0.3")
MARKS = "<!-- detectors -->", "<!-- end of detectors -->"
DETECTORS = {**WITHOUT, **WITH}


class Conditions(NamedTuple):
    """What is measured; a TOML file names these, and nothing else."""

    database_root: str
    dataset_root: str
    results: str
    backbones: Sequence[str] = BACKBONES
    labels: Sequence[str] = ()
    rows: int = CIFAR_ROWS


def read_conditions(path: Path) -> Conditions:
    """Conditions of a TOML file.

    Raises
    ------
    WannError
        If a value is missing, unknown, or of another type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WannError(f"{path} cannot be read: {error}.") from error
    unknown = set(table) - set(Conditions._fields)
    missing = {"database_root", "dataset_root", "results"} - set(table)
    for what, names in (("knows no", unknown), ("lacks", missing)):
        if names:
            allowed = ", ".join(Conditions._fields)
            raise WannError(f"{path} {what} {', '.join(sorted(names))}; it may name {allowed}.")
    found = Conditions(**table)
    texts = [*found[:3], *found.backbones, *found.labels]
    if not all(isinstance(text, str) for text in texts) or type(found.rows) is not int:
        raise WannError(f"{path}: rows must be a whole number, all else texts or lists of them.")
    for name in found.labels:
        pattern, _, ratio = name.partition(" ")
        if name not in COLUMNS and not (
            pattern in PATTERNS and ratio.replace(".", "", 1).isdigit()
        ):
            allowed = f"{', '.join(COLUMNS)}, or a noise pattern and its ratio as in 'sym 0.2'"
            raise WannError(f"{path}: labels must be of {allowed}; got {name!r}.")
    return found


def measure(
    backbone: str, name: str, conditions: Conditions, titles: Sequence[str]
) -> dict[str, Any]:
    """Some detectors under one backbone and set of labels."""
    roots, rows = (conditions.database_root, conditions.dataset_root), conditions.rows
    X, true, graph = embedded(backbone, roots, rows)
    given = labels_of(backbone, name, X, true, roots, rows)
    wrong = given != true
    fits = OutOfFold(X, given, 10, C=0.01 if wrong.mean() < 0.19 else 0.001)
    case = Case(X, given, Evidence(graph, given, 10, fits, X=X))
    found: dict[str, Any] = {"bb": backbone, "labels": name, "wrong": int(wrong.sum())}
    # What all share is not part of anybody's seconds.
    _ = case.cosines
    if set(titles) & set(WITH):
        _ = case.probabilities
    for title in titles:
        started = time.process_time()
        score, listed = DETECTORS[title](case)
        found[title] = {
            "AP": average_precision_score(wrong, -score),
            "AUROC": roc_auc_score(wrong, -score),
            "F1": None if listed is None else f1(listed, wrong),
            "s": time.process_time() - started,
        }
    return found


def measure_missing(conditions: Conditions, most: int | None) -> list[Result]:
    """All results, those that the file lacked measured and kept; one a backbone and labels."""
    path = Path(conditions.results)
    merged: dict[tuple[str, str], Result] = {}
    for one in kept(path):
        merged.setdefault((one["bb"], one["labels"]), {}).update(one)
    absent: set[str] = set()
    names = conditions.labels or LABELS
    for name, backbone in [(name, bb) for bb in conditions.backbones for name in names][:most]:
        own = merged.get((backbone, name), {})
        titles = [title for title in DETECTORS if title not in own]
        if not titles or backbone in absent:
            continue
        try:
            found = measure(backbone, name, conditions, titles)
        except WannError as error:
            absent.add(backbone)
            print(f"{backbone} is left out: {error}", file=sys.stderr)
        else:
            merged.setdefault((backbone, name), {}).update(keep(path, found))
    return list(merged.values())


def f1(listed: np.ndarray, wrong: np.ndarray) -> float:
    """Of a list of rows."""
    return float(2 * (listed & wrong).sum() / max(listed.sum() + wrong.sum(), 1))


def table(results: list[dict[str, Any]], backbones: Sequence[str] = BACKBONES) -> str:
    """Markdown: AP, AUROC and F1 of each row of labels; the best of a group is bold."""
    order = [*LABELS, *(found["labels"] for found in results)]
    labels = list(
        dict.fromkeys(name for name in order if any(r["labels"] == name for r in results))
    )
    lines = []
    for backbone in backbones:
        rows = [found for found in results if found["bb"] == backbone]
        if not rows:
            continue
        by = {found["labels"]: found for found in rows}
        kept = [name for name in labels if name in by]
        lines += [
            f"**{backbone}**, AP / AUROC / F1 at its own cut; seconds of the processor, median",
            "",
            f"| method | {' | '.join(kept)} | s |",
            f"|---|{'---|' * (len(kept) + 1)}",
        ]
        for group in (WITHOUT, WITH):
            for title in group:
                cells = []
                for name in kept:
                    own = by[name][title]
                    parts = []
                    for key in ("AP", "AUROC", "F1"):
                        values = [by[name][t][key] for t in group if by[name][t][key] is not None]
                        if own[key] is None:
                            parts.append("–")
                        else:
                            mark = "**" if own[key] >= max(values) - 5e-4 else ""
                            parts.append(f"{mark}{own[key]:.3f}{mark}")
                    cells.append(" / ".join(parts))
                seconds = float(np.median([by[name][title]["s"] for name in kept]))
                lines.append(f"| {title} | {' | '.join(cells)} | {seconds:.1f} |")
        lines.append("")
    return "\n".join(lines).strip()


def parsed() -> tuple[Conditions, argparse.Namespace]:
    """What is measured, and the other arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("where", nargs="+", metavar="FILE.toml or DATABASE_ROOT DATASET_ROOT")
    parser.add_argument("--results", help="kept; one line a backbone and labels")
    parser.add_argument("--most", type=int, help="measure only the first N of these")
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    parser.add_argument("--backbones", nargs="+", metavar="NAME")
    args = parser.parse_args()
    if len(args.where) == 1:
        try:
            conditions = read_conditions(Path(args.where[0]))
        except WannError as error:
            parser.error(str(error))
    elif len(args.where) == 2 and args.results is not None:
        conditions = Conditions(*args.where, args.results)
    else:
        parser.error("give a TOML file; or both folders and --results")
    changes = {"results": args.results, "backbones": args.backbones}
    return conditions._replace(**{name: v for name, v in changes.items() if v is not None}), args


def main() -> None:
    """Measure what is lacking, print the table, write the page."""
    conditions, args = parsed()
    results = measure_missing(conditions, args.most)
    show(table(results, conditions.backbones), args.write, MARKS)


if __name__ == "__main__":
    main()

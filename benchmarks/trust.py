"""When the estimated number of wrong labels is off, by how far the neighbors agree (Cohen's κ).

Run `python -m benchmarks.trust DATABASE_ROOT DATASET_ROOT --results FILE.jsonl`, which measures the
subsets that the file does not hold yet, without a probe, under uniform noise, and prints a table;
`--write docs/audit_measured.md` puts it between that page's marks. Besides whole embeddings
(CIFAR-10 under two backbones, MNIST and 2,000 photos as pixels, digits) there are weak ones, of
some of their columns alone.
"""

import functools
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import noise_range
from benchmarks._results import arguments, measure_missing, show
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.methods.reduction import normalize
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.patterns import add_noise

PHOTOS = "cifar10-sample"
# Columns after the slash; all of them without.
SOURCES = (
    "photos", "tiny-darknet", "efficientnet-lite0-blocks", "mnist", "digits", "tiny-darknet/8",
    "tiny-darknet/30", "efficientnet-lite0-blocks/8", "efficientnet-lite0-blocks/30", "mnist/30",
    "digits/6",
)  # fmt: skip
LABELS = ("clean", "sym 0.1", "sym 0.2", "sym 0.4", "sym 0.6")
ROWS, SEEDS = (2_000, 1_000, 5_000), (0, 1)
# Of four classes only in subsets of this size.
FOUR_CLASSES_AT = 2_000
OFF = 0.1
BINS = (0.0, 0.34, 0.5, 0.6, 0.7, 1.01)
MARKS = "<!-- trust -->", "<!-- end of trust -->"


@functools.lru_cache(maxsize=1)
def photos(root: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and classes of all photos of the sample, in a drawn order."""
    files = sorted(Path(root, PHOTOS).glob("*/*/*.jpg"), key=lambda f: (f.parts[-3] != "train", f))
    names = sorted({file.parent.name for file in files})
    X = np.array([np.asarray(Image.open(f).convert("RGB"), np.float32).ravel() for f in files])
    y = np.array([names.index(file.parent.name) for file in files])
    order = np.random.RandomState(0).permutation(len(y))
    return X[order], y[order]


def load(source: str, roots: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and true labels."""
    if source == "photos":
        return photos(roots[1])
    name, _, columns = source.partition("/")
    X, _, true = noise_range.load(name, "clean", roots)
    if columns:
        X = X[:, np.random.RandomState(1).permutation(X.shape[1])[: int(columns)]]
    return X, true


def cases() -> list[tuple[str, int, int, str, int]]:
    """Source, rows, seed, labels and classes."""
    found = []
    for rows, seed, source, labels in itertools.product(ROWS, SEEDS, SOURCES, LABELS):
        found.append((source, rows, seed, labels, 10))
        if rows == FOUR_CLASSES_AT and not seed:
            found.append((source, rows, seed, labels, 4))
    return found


def measure(case: tuple[str, int, int, str, int], roots: tuple[str, str]) -> dict[str, Any] | None:
    """One subset; None where the source has too few rows."""
    source, rows, seed, labels, n_classes = case
    X, true = load(source, roots)
    if rows > len(X) + 300:
        return None
    picked = np.random.RandomState(seed + rows).permutation(len(X))[:rows]
    X, true = X[picked], true[picked]
    if n_classes == 4:
        kept = np.isin(true, noise_range.FOUR)
        X, true = X[kept], np.searchsorted(noise_range.FOUR, true[kept])
    X = normalize(X.astype(np.float32), X[:1].astype(np.float32), "zscore")[0]
    given = true
    if " " in labels:
        pattern, ratio = labels.split()
        given = add_noise(
            true, pattern, float(ratio), rng=np.random.RandomState(seed), X=X,
            n_classes=n_classes, dataset="some", draw="exact",
        ).labels  # fmt: skip
    evidence = Evidence(NeighborGraph.build(X, k=NEIGHBORS), given, n_classes, X=X)
    noise = evidence.noise
    return {
        "k": f"{source} {rows} {seed} {labels} {n_classes}", "name": source, "rows": len(X),
        "true": float((given != true).mean()), "rate": noise.rate, "low": noise.low / noise.rows,
        "high": noise.high / noise.rows, "kappa": evidence.agreement,
        "share": evidence.clusters.share,
    }  # fmt: skip


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: how far the estimate is off, by κ, for whole embeddings and for some columns."""
    lines = [
        "| embedding | κ | subsets | estimate over 10 % | of these off by over 10 points "
        "| median error | range holds the truth |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, weak in (("whole", False), ("some columns alone", True)):
        for low, high in itertools.pairwise(BINS):
            some = [r for r in results if low <= r["kappa"] < high and ("/" in r["name"]) == weak]
            most = [r for r in some if r["rate"] >= OFF]
            if not most:
                continue
            error = np.array([r["rate"] - r["true"] for r in most])
            held = np.mean([r["low"] <= r["true"] <= r["high"] for r in most])
            lines.append(
                f"| {name} | {low:g} to {min(high, 1):g} | {len(some)} | {len(most)} "
                f"| {100 * np.mean(np.abs(error) > OFF):.0f} % | {100 * np.median(error):+.0f} pp "
                f"| {100 * held:.0f} % |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure what is lacking, print the table, write the page."""
    args = arguments(__doc__).parse_args()
    roots = (args.database_root, args.dataset_root)
    by_name = {" ".join(map(str, case)): case for case in cases()[: args.most]}
    results = measure_missing(
        args.results, by_name, lambda found: found["k"], lambda name: measure(by_name[name], roots)
    )
    show(table(results), args.write, MARKS)


if __name__ == "__main__":
    main()

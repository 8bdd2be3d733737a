"""How far verdicts sharpen the number of wrong labels, and how often its range holds the truth.

Run `python -m benchmarks.verdicts DATABASE_ROOT DATASET_ROOT --most N`: the first N cases of
`benchmarks.noise_range`, without a probe, reviewed by somebody who knows the true labels.
"""

import argparse

import numpy as np

from benchmarks import noise_range
from wann_core.audit.arrays import audit_labels
from wann_core.audit.result import Audit
from wann_core.audit.reviewing.reviewed_noise import ReviewedNoise, noise_after_review, sample_order
from wann_core.audit.reviewing.stopping import error_rates

# Rows of the head of the list that are judged, and of a random sample of which kind.
DESIGNS = (
    (0, 0, ""),
    (50, 0, ""),
    (500, 0, ""),
    (0, 50, "our"),
    (0, 100, "our"),
    (0, 200, "our"),
    (0, 400, "our"),
    (0, 100, "plain"),
    (0, 400, "plain"),
    (200, 100, "our"),
)


def places(found: Audit, head: int, sample: int, kind: str, seed: int) -> np.ndarray:
    """Places in the ranked list that are judged."""
    n = len(found.table)
    order = np.random.default_rng([seed, 1]).permutation(n)
    if kind == "our":
        order = sample_order(error_rates(found), seed)
    # Half of the rows at most.
    head = min(head, n // 4)
    return np.concatenate([np.arange(head), order[order >= head][: min(sample, n // 4)]])


def reviewed(found: Audit, wrong: np.ndarray, judged: np.ndarray) -> ReviewedNoise:
    """The number after verdicts on these places."""
    rows = found.ranked().iloc[judged]
    action = np.where(wrong[rows.index], "remove", "keep")
    return noise_after_review(found, rows[["split", "row"]].assign(action=action))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_root")
    parser.add_argument("dataset_root")
    parser.add_argument("--most", type=int, help="only the first N cases")
    args = parser.parse_args()
    measured: dict[tuple[int, int, str], list[tuple[bool, float, float]]] = {}
    for seed, case in enumerate(noise_range.cases()[: args.most]):
        X, given, true = noise_range.labeled(case, (args.database_root, args.dataset_root))
        found, wrong = audit_labels(X, given, probe=False), given != true
        n, total = len(wrong), wrong.sum()
        for design in DESIGNS:
            after = reviewed(found, wrong, places(found, *design, seed))
            held = after.low <= total <= after.high
            width, off = (after.high - after.low) / n, abs(after.count - total) / n
            measured.setdefault(design, []).append((held, width, off))
    print(
        "| judged: head of the list | random rows | range holds the truth | median width ", end=""
    )
    print("| estimate off by, mean |\n|---|---|---|---|---|")
    for (head, sample, kind), values in measured.items():
        held, widths, offs = np.array(values, float).T
        rows = f"{sample} by `sample_order`" if kind == "our" else f"{sample}, all alike"
        print(
            f"| {head} | {rows if sample else 0} | {100 * held.mean():.1f} % of {len(held)} "
            f"| {100 * np.median(widths):.1f} pp | {100 * offs.mean():.1f} pp |"
        )


if __name__ == "__main__":
    main()

"""Consensus of CIFAR-10N's three labels a row, beside majority, Dawid-Skene and CROWDLAB.

Run `python -m benchmarks.consensus DATABASE_ROOT DATASET_ROOT [--labels 1 2 3]`; it needs the
embeddings of CIFAR-10 under backbone 'tiny-darknet' and the labels of CIFAR-10N; about a minute and
a half a table on two cores. CROWDLAB (cleanlab) gets the very out-of-fold shares that our consensus
uses, and those of logistic regression; it refuses tables of one label a row.
"""

import argparse

import numpy as np
import pandas as pd
from cleanlab.multiannotator import get_label_quality_multiannotator

from wann_core import consensus
from wann_core.audit.annotators.annotations import Annotations
from wann_core.audit.annotators.crowd import fit_crowd
from wann_core.datasets import load
from wann_core.methods.metrics import paired_gain_interval, wilson_interval

ROWS, SEED = 20_000, 0
COLUMNS = tuple(f"random_label{i}" for i in (1, 2, 3))


def labels_of(roots: tuple[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, the three labels and the true class of the first rows."""
    versions = [load(f"cifar10-n/{name}", "tiny-darknet", *roots).train for name in COLUMNS]
    given = np.stack([split.y[:ROWS] for split in versions], axis=1)
    return versions[0].X[:ROWS], given, versions[0].true[:ROWS]


def some_labels(given: np.ndarray, per_row: int) -> np.ndarray:
    """So many labels a row, drawn; NaN for the others."""
    rng = np.random.default_rng(SEED)
    order = rng.random(given.shape).argsort(axis=1)
    return np.where(order < per_row, given, np.nan)


def majority(given: Annotations) -> np.ndarray:
    """Commonest label of each row, ties broken at random."""
    noise = np.random.default_rng(SEED).random(given.counts.shape)
    return np.asarray((given.counts + noise / 2).argmax(axis=1))


def measure(X: np.ndarray, given: np.ndarray, true: np.ndarray) -> pd.DataFrame:
    """Wrong labels of each way in percent, and how many more than ours, with 95 % intervals."""
    found = consensus(X, given)
    assert found.audit is not None
    evidence = found.audit.evidence
    frame = pd.DataFrame(given)
    answers = {
        "majority": majority(found.annotations),
        "Dawid-Skene": fit_crowd(found.annotations, weigh=False).posterior.argmax(axis=1),
    }
    probes = {"our shares": evidence.shares, "logistic regression": evidence.probe_shares}
    for name, shares in probes.items() if found.annotations.per_row.max() > 1 else ():
        made = get_label_quality_multiannotator(
            frame, np.asarray(shares, np.float64), verbose=False
        )
        answers[f"CROWDLAB, {name}"] = made["label_quality"]["consensus_label"].to_numpy(np.int64)
    answers["consensus"] = found.labels
    ours, lines = found.labels == true, []
    for name, labels in answers.items():
        right = labels == true
        low, high = wilson_interval(int((~right).sum()), len(right))
        more, half = paired_gain_interval(ours, right)
        line = 100 * np.array([(~right).mean(), low, high, more, more - half, more + half])
        lines.append((name, *line.round(2)))
    names = ["way", "wrong %", "from", "to", "more than ours, pp", "from ", "to "]
    return pd.DataFrame(lines, columns=names)


def main() -> None:
    """Print a table for each number of labels a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_root")
    parser.add_argument("dataset_root")
    parser.add_argument("--labels", type=int, nargs="*", choices=(1, 2, 3), default=(1, 2, 3))
    args = parser.parse_args()
    X, given, true = labels_of((args.database_root, args.dataset_root))
    for per_row in args.labels:
        print(f"\n{per_row} labels a row")
        print(measure(X, some_labels(given, per_row), true).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

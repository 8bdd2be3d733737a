"""The published system once more, slowly, from its written description: what the engine must equal.

Nothing here imports the engine. Plain numpy, scikit-learn and loops, one rule a function, so that
each can be read beside the description of the published behavior:

imbalance → subsample → label noise → z-score → reduction → adaptive k → votes.

`python -m tests.reference` runs `CASES` on the small database below and writes
tests/data/expected_small.json, to which test_golden.py compares the command line.
"""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import truncnorm
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import train_test_split

from tests.helpers.roots import ROOT
from wann_core.typing import Array

EXPECTED = ROOT / "tests" / "data" / "expected_small.json"
METHODS = ("WANN", "ANN", "kNN")

# Flags of the command line, by case.
CASES: dict[str, dict[str, Any]] = {
    "clean": {"seed": 42},
    "sym": {"seed": 42, "noise_pattern": "sym", "noise_ratio": 0.4},
    "asym": {"seed": 1, "noise_pattern": "asym", "noise_ratio": 0.3},
    "instance": {"seed": 7, "noise_pattern": "instance", "noise_ratio": 0.3},
    "subsample": {
        "seed": 3,
        "num_subsamples": 120,
        "noise_pattern": "sym",
        "noise_ratio": 0.5,
        "kmin": 5,
        "kmax": 21,
        "k": 5,
    },
    "imbalance": {
        "seed": 1,
        "imbalance_ratio": 0.1,
        "noise_pattern": "instance",
        "noise_ratio": 0.2,
    },
    "imbalance and subsample": {
        "seed": 2,
        "imbalance_ratio": 0.2,
        "num_subsamples": 150,
        "noise_pattern": "sym",
        "noise_ratio": 0.2,
    },
    "PCA": {
        "seed": 42,
        "noise_pattern": "sym",
        "noise_ratio": 0.2,
        "dimensionality_reduction": "PCA",
    },
    "LDA": {
        "seed": 5,
        "noise_pattern": "sym",
        "noise_ratio": 0.3,
        "dimensionality_reduction": "LDA",
    },
    "fLDA": {
        "seed": 5,
        "noise_pattern": "sym",
        "noise_ratio": 0.3,
        "dimensionality_reduction": "fLDA",
        "kmax": 31,
    },
}

N_CLASSES = 4


def small_database() -> dict[str, tuple[Array, Array]]:
    """{split: (embeddings, labels)}: 400 + 100 rows of four overlapping classes, 16 columns.

    The last column is constant; the classes are mixed and, in the test split, uneven.
    """
    rng = np.random.RandomState(0)
    means = rng.randn(N_CLASSES, 16)
    scale = np.geomspace(0.2, 20, 16)
    splits = {}
    for split, counts in {"train": (100, 100, 100, 100), "test": (40, 30, 20, 10)}.items():
        labels = rng.permutation(np.repeat(np.arange(N_CLASSES), counts))
        X = (means[labels] + 1.6 * rng.randn(len(labels), 16)) * scale
        X[:, -1] = 3
        splits[split] = (X.astype(np.float16), labels[:, None])
    return splits


def write_small_database(root: Path, dataset: str, backbone: str) -> None:
    """Write the small database in the published layout."""
    folder = root / dataset / backbone
    folder.mkdir(parents=True)
    for split, (X, labels) in small_database().items():
        np.savez(folder / f"{split}.npz", embeddings=X, labels=labels)


def long_tail(labels: Array, ratio: float, rng: np.random.RandomState) -> Array:
    n_classes = len(np.unique(labels))
    kept: list[int] = []
    for c in range(n_classes):
        rows = np.flatnonzero(labels == c)
        keep = int(int(len(labels) / n_classes) * ratio ** (c / (n_classes - 1)))
        kept.extend(rows[rng.choice(len(rows), keep, replace=False)])
    return np.array(kept)


def subsample(labels: Array, size: int, seed: int) -> Array:
    rows = np.arange(len(labels))
    return np.asarray(
        train_test_split(rows, train_size=size, stratify=labels, random_state=seed)[0]
    )


def symmetric_matrix(ratio: float, n_classes: int) -> Array:
    T = np.full((n_classes, n_classes), ratio / (n_classes - 1))
    np.fill_diagonal(T, 1 - ratio)
    return T


def next_class_matrix(ratio: float, n_classes: int) -> Array:
    """C → c + 1, for data sets without a published map."""
    T = np.zeros((n_classes, n_classes))
    for c in range(n_classes):
        T[c, c] = 1 - ratio
        T[c, (c + 1) % n_classes] = ratio
    return T


def matrix_flips(labels: Array, T: Array, rng: np.random.RandomState) -> Array:
    noisy = labels.copy()
    for r in range(len(T)):
        left = [i for i, label in enumerate(labels) if label == r]
        n_r = len(left)
        for t in range(len(T)):
            count = int(T[r, t] * n_r)
            if t == r or count == 0:  # nothing to flip, nothing drawn
                continue
            for i in rng.choice(left, count, replace=False):
                noisy[i] = t
                left.remove(i)
    return noisy


def instance_probabilities(
    labels: Array, X: Array, ratio: float, n_classes: int, rng: np.random.RandomState
) -> Array:
    """P[i, c]: how likely row i is labeled c; all of it is fixed before the first label is."""
    n = len(labels)
    q = truncnorm.rvs(
        (0 - ratio) / 0.1, (1 - ratio) / 0.1, loc=ratio, scale=0.1, size=n, random_state=rng
    )
    W = rng.randn(n_classes, X.shape[1], n_classes)
    P = np.zeros((n, n_classes))
    for i, own in enumerate(labels):
        scores = X[i].astype(np.float64) @ W[own]
        others = [c for c in range(n_classes) if c != own]
        odds = np.exp(scores[others] - scores[others].max())
        P[i, others] = q[i] * odds / odds.sum()
        P[i, own] = 1 - q[i]
    return P


def instance_flips(labels: Array, X: Array, ratio: float, rng: np.random.RandomState) -> Array:
    n_classes = int(labels.max()) + 1
    P = instance_probabilities(labels, X, ratio, n_classes, rng)
    noisy = np.array([rng.choice(n_classes, p=p) for p in P])
    rng.choice(len(labels), 1000)  # rows whose probabilities the published code looks at
    return noisy


def neighbors(queries: Array, train: Array, own_excluded: bool) -> Array:
    """All training rows, nearest first; equal distances: lowest id first."""
    order = []
    for i, query in enumerate(queries):
        distances = ((train - query) ** 2).sum(axis=1)
        ids = np.argsort(distances, kind="stable")
        order.append([j for j in ids if not (own_excluded and j == i)])
    return np.array(order)


def majority(labels: Array) -> int:
    """Ties: lowest class id."""
    counts = [int((labels == c).sum()) for c in range(int(labels.max()) + 1)]
    return counts.index(max(counts))


def weighted_majority(labels: Array, weights: Array) -> int:
    """Sums from nearest to farthest; ties: the class met first."""
    sums: dict[int, float] = {}
    for label, weight in zip(labels.tolist(), weights.tolist(), strict=True):
        sums[label] = sums.get(label, 0.0) + weight
    return max(sums, key=lambda c: sums[c])  # dicts keep their order, max takes the first


def adaptive_k(ids: Array, labels: Array, k_min: int, k_max: int) -> Array:
    def explained_by(i: int) -> int:
        for k in range(k_min, k_max, 2):
            if majority(labels[ids[i, :k]]) == labels[i]:
                return k
        return k_max

    return np.array([explained_by(i) for i in range(len(labels))])


def predict(ids: Array, labels: Array, ks: Array, k: int) -> dict[str, list[int]]:
    eta = 1 / ks
    return {
        "WANN": [weighted_majority(labels[r[:m]], eta[r[:m]]) for r in ids for m in [ks[r[0]]]],
        "ANN": [majority(labels[r[: ks[r[0]]]]) for r in ids],
        "kNN": [majority(labels[r[:k]]) for r in ids],
    }


def zscore(X_train: Array, X_test: Array) -> tuple[Array, Array]:
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    std = np.where(np.ptp(X_train, axis=0) == 0, np.inf, std)  # a constant feature becomes zero
    return (X_train - mean) / std, (X_test - mean) / std


def reduce_dimension(how: str, X_train: Array, labels: Array, X_test: Array) -> tuple[Array, Array]:
    if how == "PCA":
        size = min(200, *X_train.shape)
        model = PCA(n_components=size, random_state=4524234).fit(X_train)
    else:
        fit_on = np.ones(len(labels), bool)
        if how == "fLDA":
            fit_on = adaptive_k(neighbors(X_train, X_train, True), labels, 11, 51) < 51
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the constant column
            model = LinearDiscriminantAnalysis(solver="svd").fit(X_train[fit_on], labels[fit_on])
    return model.transform(X_train), model.transform(X_test)


def run(splits: dict[str, tuple[Array, Array]], case: dict[str, Any]) -> dict[str, Any]:
    """Rows, noisy labels, adaptive k, predictions and accuracies of one case."""
    (X, labels), (X_test, y_test) = (
        (X.astype(np.float32).astype(np.float64), y.ravel()) for X, y in splits.values()
    )
    rng = np.random.RandomState(case["seed"])
    rows = np.arange(len(labels))
    if "imbalance_ratio" in case:
        rows = long_tail(labels, case["imbalance_ratio"], rng)
    if "num_subsamples" in case:
        rows = rows[subsample(labels[rows], case["num_subsamples"], case["seed"])]
    X, clean = X[rows], labels[rows]
    ratio = case.get("noise_ratio", 0.0)
    noises: dict[str, Callable[[], Array]] = {
        "None": lambda: clean,
        "sym": lambda: matrix_flips(clean, symmetric_matrix(ratio, N_CLASSES), rng),
        "asym": lambda: matrix_flips(clean, next_class_matrix(ratio, N_CLASSES), rng),
        "instance": lambda: instance_flips(clean, X, ratio, rng),
    }
    noisy = noises[case.get("noise_pattern", "None")]()
    X_train, X_test = zscore(X, X_test)
    if "dimensionality_reduction" in case:
        X_train, X_test = reduce_dimension(case["dimensionality_reduction"], X_train, noisy, X_test)
    train_ids = neighbors(X_train, X_train, True)
    ks = adaptive_k(train_ids, noisy, case.get("kmin", 11), case.get("kmax", 51))
    predictions = predict(neighbors(X_test, X_train, False), noisy, ks, case.get("k", 11))
    return {
        "rows": rows.tolist(),
        "labels": noisy.tolist(),
        "adaptive_k": ks.tolist(),
        "predictions": predictions,
        "accuracy": {m: 100 * float(np.mean(y_test == predictions[m])) for m in METHODS},
    }


def main() -> None:
    splits = small_database()
    expected = {name: run(splits, case) for name, case in CASES.items()}
    lines = ",\n".join(
        f'"{name}": {json.dumps(result, separators=(",", ":"))}'
        for name, result in expected.items()
    )
    EXPECTED.parent.mkdir(exist_ok=True)
    EXPECTED.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()

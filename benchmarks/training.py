"""What the weights of an audit are worth in training: weighted, soft, dropped, or not at all.

Run `python -m benchmarks.training DATABASE_ROOT DATASET_ROOT`: CIFAR-10N's labels named aggre
and worse on 1,000 rows a seed of CIFAR-10's embeddings, scored on 2,000 clean test rows.
It prints the table of docs/training.md: accuracy, and the gain over doing nothing, each with a 95 %
interval over the seeds (Student's t; gains are paired).
"""

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression

from wann_core import Audit, audit_labels
from wann_core.datasets import load
from wann_core.datasets.dataset import Split
from wann_core.methods.reduction import normalize

BACKBONE = "efficientnet-lite0-blocks"
LABELS = {"aggre": "aggre_label", "worse": "worse_label"}
ROWS, TEST_ROWS, SEEDS = 1_000, 2_000, 5
WAYS = ("as given", "sample_weight", "soft labels", "drop", "true labels")
# Of the network: one hidden layer, Adam.
HIDDEN, EPOCHS, BATCH, RATE = 256, 20, 64, 1e-3


def of_scikit_learn(
    X: np.ndarray, y: np.ndarray, weights: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Logistic regression."""
    model = LogisticRegression(C=0.01, max_iter=200)
    model.fit(X, y, sample_weight=weights)
    return model.predict(test)


def of_torch(
    X: np.ndarray, targets: np.ndarray, weights: np.ndarray, test: np.ndarray, seed: int
) -> np.ndarray:
    """A small network; targets are probabilities of the classes."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    rows = [torch.from_numpy(part.astype(np.float32)) for part in (X, targets, weights)]
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(X)).split(BATCH):
            x, t, w = (part[batch] for part in rows)
            losses = torch.nn.functional.cross_entropy(model(x), t, reduction="none")
            optimizer.zero_grad()
            (losses * w).mean().backward()
            optimizer.step()
    with torch.no_grad():
        return model(torch.from_numpy(test)).argmax(dim=1).numpy()


def trained(
    way: str, X: np.ndarray, noisy: np.ndarray, true: np.ndarray, found: Audit
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, labels, targets and weights of a way to train."""
    y = true if way == "true labels" else noisy
    targets = found.soft_labels if way == "soft labels" else np.eye(10)[y]
    weights = found.weights if way == "sample_weight" else np.ones(len(y))
    kept = ~found.issues["is_label_issue"].sort_index().to_numpy() if way == "drop" else slice(None)
    return X[kept], y[kept], targets[kept], weights[kept]


def interval(values: np.ndarray) -> str:
    """Mean and half the width of the 95 % interval, in percent."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{100 * values.mean():.1f} ± {100 * half:.1f}"


def measured(
    noisy: np.ndarray, train: Split, test: Split
) -> tuple[dict[tuple[str, str], np.ndarray], float]:
    """Accuracy by library and way, one a seed; and the share of wrong labels."""
    scores: dict[tuple[str, str], list[float]] = {}
    wrong = []
    for seed in range(SEEDS):
        rows = np.random.default_rng(seed).permutation(len(noisy))[:ROWS]
        X, X_test = normalize(train.X[rows], test.X[:TEST_ROWS], "zscore")
        y, true = noisy[rows], train.y[rows]
        wrong.append(float((y != true).mean()))
        found = audit_labels(X, y, seed=seed)
        for way in WAYS:
            x, labels, targets, weights = trained(way, X, y, true, found)
            made = {"torch": of_torch(x, targets, weights, X_test, seed)}
            if way != "soft labels":  # scikit-learn's classifiers take one label a row
                made["sklearn"] = of_scikit_learn(x, labels, weights, X_test)
            for library, answer in made.items():
                right = float((answer == test.y[:TEST_ROWS]).mean())
                scores.setdefault((library, way), []).append(right)
    return {key: np.array(values) for key, values in scores.items()}, float(np.mean(wrong))


def cells(scores: dict[tuple[str, str], np.ndarray], library: str, way: str) -> list[str]:
    """Accuracy, and gain over doing nothing."""
    if (library, way) not in scores:
        return ["", ""]
    gain = scores[library, way] - scores[library, WAYS[0]]
    return [interval(scores[library, way]), "" if way == WAYS[0] else interval(gain)]


def cases(roots: tuple[str, str]) -> Iterator[tuple[str, np.ndarray, Split, Split]]:
    """Name, given labels, and rows with their true labels."""
    clean = load("cifar10", BACKBONE, *roots)
    assert clean.test is not None
    for name, labels in LABELS.items():
        yield name, load(f"cifar10-n/{labels}", BACKBONE, *roots).train.y, clean.train, clean.test


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_root")
    parser.add_argument("dataset_root")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| labels (wrong) | way | scikit-learn | gain | PyTorch | gain |")
    print("|---|---|--:|--:|--:|--:|")
    for name, noisy, train, test in cases((args.database_root, args.dataset_root)):
        scores, wrong = measured(noisy, train, test)
        for way in WAYS:
            parts = [*cells(scores, "sklearn", way), *cells(scores, "torch", way)]
            print(f"| {name} ({100 * wrong:.0f} %) | {way} | {' | '.join(parts)} |", flush=True)


if __name__ == "__main__":
    main()

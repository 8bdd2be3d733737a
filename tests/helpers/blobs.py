"""Rows of overlapping classes, with right and wrong labels, for the audit."""

import numpy as np

from wann_core import add_noise
from wann_core.audit.judging.evidence import Evidence
from wann_core.datasets.dataset import Dataset, Split
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.neighbors.graph import NeighborGraph
from wann_core.typing import Array

N_CLASSES = 4


def blobs(rows: int, seed: int = 0, apart: float = 2.0) -> tuple[Array, Array]:
    """Four overlapping classes in 8 dimensions, and their true labels."""
    rng = np.random.RandomState(seed)
    labels = rng.permutation(np.arange(rows) % N_CLASSES)
    X = apart * np.eye(N_CLASSES, 8)[labels] + rng.randn(rows, 8)
    return X.astype(np.float32), labels.astype(np.int64)


def dataset(X: Array, y: Array, **splits: Split) -> Dataset:
    names = tuple("abcd"[: max(N_CLASSES, 2)])
    return Dataset("blobs", "none", names, Split(X, y, np.arange(len(y))), None, **splits)


def noisy_blobs(
    rows: int = 1200, ratio: float = 0.2, pattern: str = "sym"
) -> tuple[Dataset, Array]:
    X, y = blobs(rows, apart=4.0)
    given = add_noise(y, pattern, ratio, rng=np.random.RandomState(5), draw="exact").labels
    return dataset(X, given), given != y


def evidence(X: Array, labels: Array, *, probe: bool = False) -> Evidence:
    fits = OutOfFold(X, labels, N_CLASSES) if probe else None
    return Evidence(NeighborGraph.build(X, k=51), labels, N_CLASSES, fits)

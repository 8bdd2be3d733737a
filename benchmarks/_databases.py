"""Embedding databases for benchmarks: the one named on the command line, or one that is made."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np


def write_clusters(root: Path, rows: tuple[int, int], columns: int, spread: float) -> None:
    """Write ten overlapping clusters as data set 'clusters' under backbone 'gauss'.

    Parameters
    ----------
    root : Path
        The database's folder.
    rows : tuple of int
        Training and test rows.
    columns : int
    spread : float
        Standard deviation within a cluster, where the means have 1.
    """
    rng = np.random.default_rng(0)
    means = rng.normal(size=(10, columns))
    folder = root / "clusters" / "gauss"
    folder.mkdir(parents=True)
    for split, n in zip(("train", "test"), rows, strict=True):
        labels = rng.integers(0, 10, n)
        X = means[labels] + spread * rng.standard_normal((n, columns))
        np.savez(folder / f"{split}.npz", embeddings=X.astype(np.float32), labels=labels)


def named_or_made(measure: Callable[[Path, str, str], None], make: Callable[[Path], None]) -> None:
    """Measure on DATABASE_ROOT DATASET BACKBONE of the command line, or on what `make` writes."""
    if len(sys.argv) == 4:
        measure(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
        return
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        measure(Path(name), "clusters", "gauss")

"""Training rows of a probe, and the validation rows of its early stopping."""

from dataclasses import dataclass

import numpy as np

from wann_core.datasets import Dataset
from wann_core.datasets.dataset import Judged
from wann_core.typing import Array


@dataclass(frozen=True, eq=False)
class ProbeData(Judged):
    """Training, validation and test rows as a probe uses them.

    Attributes
    ----------
    seed : int
        Of the validation rows, the batches and the first weights.
    dataset : Dataset
    X : ndarray of shape (N, d)
        Embeddings before the z-score, of more rows than these; shared by the seeds of a source.
    train, val : ndarray of shape (n,) and (v,), int64
        Positions in `X` of the training and validation rows.
    labels, clean_labels : ndarray of shape (n + v,), int64
        Labels of both, as given and as they are where that is known.
    mean, scale : ndarray of shape (d,), float64
        What normalizes all rows, x → (x - mean) · scale: mean and inverse standard deviation of the
        training rows (0 for a constant feature), or 0 and 1 where the scenario asks for no z-score.
    X_test : ndarray of shape (m, d)
    y_test : ndarray of shape (m,), int64
    noise_ratio : float
        Share of `labels` that are not the clean ones.
    notes : tuple of str
        Sentences on where the result differs from what was asked.
    seconds : float
        Wall time of the preparation.
    noise_note : str
        In which ways the noise that was added is not what was asked for; '' where it is.
    """

    seed: int
    dataset: Dataset
    X: Array
    train: Array
    val: Array
    labels: Array
    clean_labels: Array
    mean: Array
    scale: Array
    X_test: Array
    y_test: Array
    noise_ratio: float
    notes: tuple[str, ...]
    seconds: float
    noise_note: str = ""

    @property
    def n_classes(self) -> int:
        """C."""
        return self.dataset.n_classes

    @property
    def y_train(self) -> Array:
        """Given labels of the training rows, shape (n,)."""
        return self.labels[: len(self.train)]

    @property
    def y_val(self) -> Array:
        """Given labels of the validation rows, shape (v,)."""
        return self.labels[len(self.train) :]

    @property
    def test_ids(self) -> Array:
        """Rows of the test split in the source's own files, shape (m,)."""
        assert self.dataset.test is not None
        return self.dataset.test.ids

    @property
    def row_ids(self) -> Array:
        """Row ids of both in the source's files; a separate validation split starts at 0."""
        splits = (self.dataset.train, self.dataset.val)
        ids = np.concatenate([split.ids for split in splits if split is not None])
        return np.asarray(ids[np.concatenate([self.train, self.val])])

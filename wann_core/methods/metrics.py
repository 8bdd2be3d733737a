"""Scores of predictions, from the confusion matrix."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wann_core.errors import WannError
from wann_core.typing import Array

Z_95 = 1.959963984540054
# Columns of a record that hold a score, shares of 1, and their titles.
METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
    "recall_head": "Recall, head classes",
    "recall_middle": "Recall, middle classes",
    "recall_tail": "Recall, tail classes",
}


@dataclass(frozen=True)
class Metrics:
    """Scores of one set of predictions.

    Attributes
    ----------
    confusion : ndarray of shape (C, C), int64
        Row = true class, column = predicted class.
    """

    confusion: Array

    @classmethod
    def of(cls, true: Array, predicted: Array, n_classes: int) -> "Metrics":
        """Count the pairs of true and predicted class ids (0 … n_classes - 1)."""
        if len(true) != len(predicted) or not len(true):
            raise WannError(
                f"scores need as many predictions as labels and at least one, "
                f"got {len(predicted)} and {len(true)}."
            )
        pairs = np.bincount(true * n_classes + predicted, minlength=n_classes**2)
        return cls(pairs.reshape(n_classes, n_classes))

    @cached_property
    def n(self) -> int:
        """Rows scored."""
        return int(self.confusion.sum())

    @cached_property
    def correct(self) -> int:
        """Rows predicted right."""
        return int(np.trace(self.confusion))

    @cached_property
    def accuracy(self) -> float:
        """Share predicted right, 0 to 1."""
        return self.correct / self.n

    @cached_property
    def recall(self) -> Array:
        """Share predicted right of each true class, shape (C,); NaN for a class without rows."""
        rows = self.confusion.sum(axis=1)
        right = np.diag(self.confusion).astype(np.float64)
        return np.asarray(np.divide(right, rows, out=np.full(len(rows), np.nan), where=rows > 0))

    @cached_property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that have rows."""
        return float(np.nanmean(self.recall))

    @cached_property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur among true labels or predictions."""
        right = 2.0 * np.diag(self.confusion)
        counts = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return float((right[counts > 0] / counts[counts > 0]).mean())

    @cached_property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy: the spread from the finite test set alone."""
        return wilson_interval(self.correct, self.n)


def recall_by_frequency(recall: Array, class_rows: Array) -> dict[str, float]:
    """Mean recall of the head, middle and tail thirds of the classes, by their training rows.

    Parameters
    ----------
    recall : ndarray of shape (C,)
        NaN for a class that the test set lacks; such a class is left out.
    class_rows : ndarray of shape (C,)
        Training rows of each class.

    Returns
    -------
    dict
        'recall_head', 'recall_middle', 'recall_tail'; NaN where a third is empty.
    """
    order = np.argsort(-class_rows, kind="stable")
    thirds = np.array_split(order[~np.isnan(recall[order])], 3)
    means = [float(recall[third].mean()) if len(third) else math.nan for third in thirds]
    return dict(zip(("recall_head", "recall_middle", "recall_tail"), means, strict=True))


def paired_gain_interval(right_a: Array, right_b: Array, z: float = Z_95) -> tuple[float, float]:
    """Difference of two accuracies on the same rows, and half the width of its 95 % interval.

    Parameters
    ----------
    right_a, right_b : ndarray of shape (m,), bool
        Which rows each method got right.

    Returns
    -------
    gain, half : float
        Shares of 1; the interval is gain ± half.

    References
    ----------
    McNemar, Note on the sampling error of the difference between correlated proportions,
    Psychometrika 1947 (variance in Agresti, Categorical Data Analysis, section 11.1).

    Examples
    --------
    >>> a, b = np.array([1, 1, 1, 0], bool), np.array([1, 0, 1, 0], bool)
    >>> paired_gain_interval(a, b)[0]
    0.25
    """
    n = len(right_a)
    won, lost = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    spread = math.sqrt(max(0.0, won + lost - (won - lost) ** 2 / n)) / n
    return (won - lost) / n, z * spread


def wilson_interval(successes: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share.

    References
    ----------
    Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson_interval(8, 10)]
    [0.4902, 0.9433]
    """
    share = successes / n
    center = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)

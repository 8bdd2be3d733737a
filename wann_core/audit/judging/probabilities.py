"""Class probabilities of a user's own model as a witness, beside the neighbors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.text import first_few
from wann_core.typing import Array


@dataclass(frozen=True, eq=False)
class GivenProbabilities:
    """Out-of-fold probabilities that somebody else's model gave, as a witness of an audit.

    Attributes
    ----------
    values : ndarray of shape (n, C), float32
        Rows sum to 1.
    folds : ndarray of shape (n,), int64
        For what else is fitted out of fold.
    """

    values: Array
    folds: Array

    def probabilities(self, weights: Array | None = None) -> Array:
        """Return the probabilities, which cannot be fitted again, however rows are weighted."""
        del weights
        return self.values

    def relabeled(self, labels: Array, progress: Progress | None = None) -> "GivenProbabilities":
        """Refuse: a model's answers under other labels are not known.

        Raises
        ------
        WannError
            Always.
        """
        raise WannError(
            "known flips need a probe that is fitted again; probabilities of another model cannot "
            "be: audit without `pred_probs`.",
            "pred_probs",
        )


def probabilities_of(pred_probs: npt.ArrayLike, rows: int, class_names: tuple[str, ...]) -> Array:
    """Check class probabilities and scale their rows to sum 1.

    Columns of a data frame that are called as the classes are put into their order.

    Raises
    ------
    WannError
        If the shape is not (rows, classes), or a value is negative or not finite, or all of a row
        are 0.
    """
    values = np.asarray(pred_probs)
    columns = [str(column) for column in getattr(pred_probs, "columns", ())]
    if sorted(columns) == sorted(class_names):
        values = values[:, [columns.index(name) for name in class_names]]
    if values.shape != (rows, len(class_names)) or values.dtype.kind not in "fiu":
        listed = first_few(class_names, 5)
        raise WannError(
            f"`pred_probs` must have one row a label and one column a class "
            f"({rows:,} × {len(class_names)}: {listed}), got {values.dtype} of shape "
            f"{values.shape}.",
            "pred_probs",
        )
    sums = values.sum(axis=1, dtype=np.float64)
    if not (np.isfinite(sums).all() and (values >= 0).all() and (sums > 0).all()):
        raise WannError(
            "`pred_probs` must be finite numbers from 0, with at least one above 0 in each row.",
            "pred_probs",
        )
    scaled: Array = (values / sums[:, None]).astype(np.float32)
    return scaled

"""What a noise pattern is given."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wann_core.typing import Array

DRAWS = ("reference", "exact")


@dataclass(frozen=True, eq=False)
class NoiseRequest:
    """The labels to flip and all that may decide how; see `patterns.add_noise`.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
    ratio : float
    rng : RandomState
    n_classes : int
        C.
    draw : {'reference', 'exact'}
    dataset : str
    X : ndarray of shape (n, d) or None
    matrix : array-like or None
    """

    labels: Array
    ratio: float
    rng: np.random.RandomState
    n_classes: int
    draw: str
    dataset: str
    X: Array | None
    matrix: npt.ArrayLike | None

    @property
    def found(self) -> int:
        """Classes up to the highest that occurs."""
        return int(self.labels.max()) + 1

"""What every source yields: embeddings, labels, row ids and, where there are some, images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set under one backbone; its arrays are read-only.

    Attributes
    ----------
    name, backbone : str
    X_train, X_test : ndarray of shape (n, d) and (m, d), float16, float32 or float64
    y_train, y_test : ndarray of shape (n,) and (m,), int64
        Class ids 0 … C - 1.
    train_ids, test_ids : ndarray of shape (n,) and (m,), int64
        Rows in the source's own files.
    class_names : tuple of str, length C
    train_images, test_images : ndarray of shape (n, height, width[, 3]), uint8, or None
    """

    name: str
    backbone: str
    X_train: Array
    y_train: Array
    train_ids: Array
    X_test: Array
    y_test: Array
    test_ids: Array
    class_names: tuple[str, ...]
    train_images: Array | None = None
    test_images: Array | None = None

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))

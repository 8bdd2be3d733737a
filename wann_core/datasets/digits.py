"""scikit-learn's handwritten digits: the data set that is always there."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from wann_core.datasets.dataset import Dataset

TRAIN_ROWS = 1200


def load() -> Dataset:
    """1,797 digits of 8 × 8 pixels in a fixed stratified split of 1,200 / 597.

    Row ids are positions in `load_digits()`; the embedding is the 64 pixels (0 to 16).

    References
    ----------
    Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998.
    """
    digits = load_digits()
    train, test = train_test_split(
        np.arange(len(digits.target)),
        train_size=TRAIN_ROWS,
        stratify=digits.target,
        random_state=0,
    )
    train, test = np.sort(train), np.sort(test)
    pixels = digits.data.astype(np.float32)
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return Dataset(
        name="digits",
        backbone="pixels",
        X_train=pixels[train],
        y_train=digits.target[train],
        train_ids=train,
        X_test=pixels[test],
        y_test=digits.target[test],
        test_ids=test,
        class_names=tuple(str(c) for c in range(10)),
        train_images=grey[train],
        test_images=grey[test],
    )

"""scikit-learn's handwritten digits: the data set that is always there."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from wann_core.datasets.dataset import Dataset, Split
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.typing import Array

TRAIN_ROWS = 1200
_BY_EYE = Path(__file__).with_name("digits_by_eye.csv")
CLASS_NAMES = tuple(str(c) for c in range(10))


def load() -> Dataset:
    """1,797 digits of 8 × 8 pixels in a fixed stratified split of 1,200 / 597.

    Row ids are positions in `load_digits()`; the embedding is the 64 pixels (0 to 16).

    References
    ----------
    Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998.
    """
    digits = load_digits()
    train, test = _split(digits.target)
    pixels = digits.data.astype(np.float32)
    return Dataset(
        name="digits",
        backbone="pixels",
        class_names=CLASS_NAMES,
        train=Split(pixels[train], digits.target[train], train),
        test=Split(pixels[test], digits.target[test], test),
        open_images=all_images,
        benchmark=True,
    )


def read_by_eye() -> pd.DataFrame:
    """What one reader saw in 180 of the digits: labels that are doubtful by themselves.

    A judgment by eye at 8 × 8 pixels, made with the given label in view: nobody knows what the
    writers meant, and no part of the program uses it. The reader saw the 72 labels that the audit
    with its default settings doubts most, and 108 others that were drawn at random.

    Returns
    -------
    DataFrame
        row (position in `load_digits()`), given_label, drawn ('ranked' or 'random'), could_be:
        digits, set apart by blanks, that the image could as well be; '' where none.
    """
    return pd.read_csv(_BY_EYE, dtype={"given_label": str, "could_be": str}, keep_default_na=False)


def open_images() -> ImageDataset:
    """The same split as gray images, each split's rows counted from 0."""
    digits = load_digits()
    parts = zip(("train", "test"), _split(digits.target), strict=True)
    splits = {name: _images(rows) for name, rows in parts}
    return ImageDataset("digits", splits, CLASS_NAMES, {"source": "digits"})


def all_images() -> ImageDataset:
    """All of them for either split, as row ids are positions in `load_digits()`."""
    everything = _images(np.arange(len(load_digits().target)))
    origin = {"source": "digits", "rows": "all"}
    return ImageDataset("digits", {"train": everything, "test": everything}, CLASS_NAMES, origin)


def _images(rows: Array) -> ImageSplit:
    digits = load_digits()
    gray = np.round(digits.images[rows] * (255 / 16)).astype(np.uint8)
    return ImageSplit(digits.target[rows].astype(np.int64), Path(), pixels=gray)


def _split(target: Array) -> tuple[Array, Array]:
    train, test = train_test_split(
        np.arange(len(target)), train_size=TRAIN_ROWS, stratify=target, random_state=0
    )
    return np.sort(train), np.sort(test)

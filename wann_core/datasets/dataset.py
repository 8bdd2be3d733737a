"""What every source yields: embeddings, labels, row ids and, where there are some, images."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from PIL import Image

from wann_core.datasets.decoding import decode
from wann_core.datasets.images import ImageDataset
from wann_core.errors import WannError
from wann_core.text import shown
from wann_core.typing import Array

# As in the names of files; the one without labels keeps the spelling of databases that exist.
LABELED = ("train", "val", "test")
SPLITS = (*LABELED, "unlabelled")


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a data set; its arrays are read-only.

    Attributes
    ----------
    X : ndarray of shape (n, d), float16, float32 or float64
        Embeddings.
    y : ndarray of shape (n,), int64
        Class ids 0 … C - 1 as given; -1 where there is no label.
    ids : ndarray of shape (n,), int64
        Rows in the source's own file or list of files.
    clean : ndarray of shape (n,), int64, or None
        True class ids where the given ones may be wrong and the true ones are known.
    names : sequence of str, or None
        The source's own name of each row: a file, or the id of a user's table.
    columns : DataFrame of n rows, or None
        What else is known of the rows: text (categorical), numbers and dates.
    """

    X: Array
    y: Array
    ids: Array
    clean: Array | None = None
    names: Sequence[str] | None = None
    columns: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def true(self) -> Array:
        """The best that is known of the true class ids: `clean`, else `y`."""
        return self.y if self.clean is None else self.clean

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set under one backbone.

    Attributes
    ----------
    name, backbone : str
    class_names : tuple of str, length C
        All different: a class that is called like one before it has its id added. What is not text
        (half of a surrogate pair, as of a folder's name in another encoding) is escaped.
    train : Split
        Every row labeled.
    test : Split or None
        Every row labeled; None where each training row is judged by the others.
    val, unlabeled : Split or None
    open_images : callable, optional
        Finds the images, or raises `WannError`; called once, when they are first wanted. Its splits
        hold files in the order of the rows, or arrays that `Split.ids` counts in.
    injected : str
        Errors that were put into its labels to practice on, as in '40 % sym'; '' where none were.
        Such labels are never exported as data.
    benchmark : bool
        Whether `Split.true` are the labels of a known benchmark, which count as true.
    roles : mapping of str to tuple of str
        Columns of the rows with a meaning of their own: 'group' (rows that belong together), 'text'
        (the row's content) and 'annotators' (their labels).
    """

    name: str
    backbone: str
    class_names: tuple[str, ...]
    train: Split
    test: Split | None
    val: Split | None = None
    unlabeled: Split | None = None
    open_images: Callable[[], ImageDataset | None] | None = None
    injected: str = ""
    benchmark: bool = False
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "class_names", distinct([shown(name) for name in self.class_names])
        )

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def truth_known(self) -> bool:
        """Whether the true labels of the training rows are known.

        They are if clean labels came along, or the data are a known benchmark. Noise that is added
        here changes what may be said, see `Judged`.
        """
        return self.benchmark or (self.train.clean is not None and not self.injected)

    @property
    def test_truth_known(self) -> bool:
        """Whether the labels that judge the methods are true: of test rows, if there are any."""
        if self.test is None:
            return self.truth_known
        return self.benchmark or (self.test.clean is not None and not self.injected)

    @property
    def splits(self) -> dict[str, Split]:
        """Existing splits by name."""
        found = dict(zip(SPLITS, (self.train, self.val, self.test, self.unlabeled), strict=True))
        return {name: split for name, split in found.items() if split is not None}

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(split.nbytes for split in self.splits.values())

    @property
    def images(self) -> ImageDataset | None:
        """The images of the rows; None where there are none. See `image`."""
        return self._opened[0]

    @property
    def images_missing(self) -> str:
        """Why there are no images although there should be some; empty otherwise."""
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[ImageDataset | None, str]:
        try:
            return self.open_images() if self.open_images else None, ""
        except WannError as error:
            return None, str(error)

    @cached_property
    def columns(self) -> pd.DataFrame | None:
        """Further columns of the labeled rows of train, val and test, as an audit lists them.

        None where there are none.
        """
        parts = [self.splits[name] for name in LABELED if name in self.splits]
        if all(part.columns is None for part in parts):
            return None
        kept = [
            (pd.DataFrame(index=range(len(part))) if part.columns is None else part.columns)[
                part.y >= 0
            ]
            for part in parts
        ]
        whole = pd.concat([part.astype(_untyped(part)) for part in kept], ignore_index=True)
        return whole.astype({c: "category" for c in whole if whole[c].dtype == object})

    @property
    def group(self) -> Array | None:
        """Values of the group column of the rows of `columns`; None where no column is one."""
        named = self.roles.get("group", ())
        if not named or self.columns is None:
            return None
        return np.asarray(self.columns[named[0]].astype(object).where(lambda v: v.notna(), None))

    def image(self, split: str, position: int, *, side: int | None = None) -> Image.Image | None:
        """The image of a row of a split; None where there is none.

        It is what the models see: upright, on white, gray or RGB, 8 bits a channel; made to fit
        into a square of `side` pixels if that is given.

        Raises
        ------
        WannError
            If the file is gone, no image, or too large.
        """
        source = self.images.splits.get(split) if self.images else None
        if source is None:
            return None
        # Files are named row by row; arrays hold all rows of the source.
        row = position if source.files is not None else int(self.splits[split].ids[position])
        return decode(source, row, None, side=side)


def row_names(data: Dataset) -> list[str]:
    """A name for each row of all splits: the source's own, else its id, with its split if needed.

    Examples
    --------
    >>> split = Split(np.zeros((2, 1)), np.zeros(2, np.int64), np.array([7, 8]))
    >>> row_names(Dataset("a", "b", ("c",), split, None))
    ['7', '8']
    """
    names: list[str] = []
    several = len(data.splits) > 1
    for name, split in data.splits.items():
        own = split.names
        if own is None or not all(own):
            own = [f"{name}/{row}" if several else str(row) for row in split.ids.tolist()]
        names += own
    return names


def _untyped(frame: pd.DataFrame) -> dict[Hashable, str]:
    """Text as objects: categories of two splits may differ."""
    return {c: "object" for c in frame if isinstance(frame[c].dtype, pd.CategoricalDtype)}


class Judged:
    """What may be said of the truth once noise may have been added to a data set's labels.

    Whatever speaks of true, clean, right, wrong or flipped labels asks here.
    """

    dataset: Dataset
    noise_ratio: float

    @property
    def truth_known(self) -> bool:
        """Whether the labels before the noise may be called true.

        They may where the data set's are (see `Dataset.truth_known`), and where noise was added
        here: labels then count as true as they were given, see `truth_assumed`.
        """
        return self.dataset.truth_known or self.noise_ratio > 0

    @property
    def truth_assumed(self) -> bool:
        """Whether labels count as true for no other reason than that they were given so."""
        return self.truth_known and not self.dataset.truth_known

    @property
    def test_truth_known(self) -> bool:
        """Whether the labels that judge the methods are true, see `Dataset.test_truth_known`."""
        return self.dataset.test_truth_known


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Class names of which no two are the same.

    Tables, charts and verdicts identify classes by their names.

    Examples
    --------
    >>> distinct(["cat", "dog", "cat"])
    ('cat', 'dog', 'cat (class 2)')
    """
    taken: set[str] = set()
    found = []
    for i, name in enumerate(names):
        new = name
        while new in taken or (new != name and new in names):
            new = f"{new} (class {i})"
        taken.add(new)
        found.append(new)
    return tuple(found)

"""Embedded photos, a review of them, and what is exported of it."""

from pathlib import Path

import numpy as np
from PIL import Image

from wann_core import datasets
from wann_core.datasets import database
from wann_core.datasets.dataset import Dataset, Split
from wann_core.review.exports import Exported, Review, export
from wann_core.review.ledger import Ledger, Verdict, ledger_of

FILES = [f"{c}/{i:02}.png" for c in ("cat", "dog") for i in range(20)]
NOTES = {0: "=a <b>hound</b>", 1: "too dark"}
ODD = ["=cat/05.png", "../cat/06.png", "cat/0\n7.png", "/cat/08.png", "cat\\09.png", "-dog/00.png"]


def photos(root: Path, files: list[str] = FILES, **manifest: object) -> Dataset:
    """A database of embedded photos, which lie in a folder; four are in test."""
    folder = root / "photos"
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), int(file[-6:-4])).save(path, "PNG")
    y = np.array([int(file.startswith("dog")) for file in files])
    X = np.random.RandomState(0).randn(len(y), 4).astype(np.float32) + 4 * y[:, None]
    parts = {"train": slice(2, len(y) - 2), "test": np.r_[0:2, len(y) - 2 : len(y)]}
    splits = {
        name: Split(X[rows], y[rows], np.arange(len(y[rows])), names=list(np.array(files)[rows]))
        for name, rows in parts.items()
    }
    details = {"images": {"source": "imagefolder", "root": str(folder.resolve())}, **manifest}
    database.write(root / "db", "photos", "tiny", splits, ("cat", "dog"), details)
    return datasets.load("photos", "tiny", root / "db", root)


def split_photos(root: Path, class_names: tuple[str, str] = ("cat", "dog")) -> Dataset:
    """As `photos`, in folders of their splits; files are told apart by their one color."""
    names: dict[str, list[str]] = {"train": [], "test": []}
    for number in range(40):
        split = "test" if number % 10 == 0 else "train"
        file = f"{split}/{'cat' if number < 20 else 'dog'}/{number % 20:04}.png"
        path = root / "photos" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), number).save(path, "PNG")
        names[split].append(file)
    splits = {}
    for split, files in names.items():
        y = np.array([int("/dog/" in file) for file in files])
        X = np.random.RandomState(0).randn(len(y), 4).astype(np.float32) + 4 * y[:, None]
        splits[split] = Split(X, y, np.arange(len(y)), names=files)
    details = {"images": {"source": "imagefolder", "root": str((root / "photos").resolve())}}
    database.write(root / "db", "photos", "tiny", splits, class_names, details)
    return datasets.load("photos", "tiny", root / "db", root)


def review(data: Dataset, root: Path, new: str = "dog") -> Ledger:
    """Training row 0 is a dog, row 1 goes, row 2 stays, row 3 is open."""
    ledger = ledger_of(data, root)
    given = data.class_names
    rows = [
        Verdict("train", row, given[data.train.y[row]], action, new, note=NOTES.get(row, ""))
        for row, action, new in (
            (0, "relabel", new),
            (1, "remove", None),
            (2, "keep", None),
            (3, "unsure", None),
        )
    ]
    ledger.record(rows, who="ada")
    return ledger


def unjudged(data: Dataset) -> Review:
    return Review(data, Ledger("none.sqlite").verdicts())


def made(form: str, review: Review) -> Exported:
    found = export(form, review)
    assert isinstance(found, Exported)
    return found

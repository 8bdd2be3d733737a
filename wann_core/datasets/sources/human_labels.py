"""CIFAR-10N and CIFAR-100N: labels that people gave, for embeddings of CIFAR-10 and CIFAR-100.

References
----------
Wei et al., Learning with Noisy Labels Revisited: A Study Using Real-World Human Annotations,
ICLR 2022.
"""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np

from wann_core.datasets.catalog import HUMAN_LABELS
from wann_core.datasets.dataset import Dataset
from wann_core.datasets.sources import torch_arrays
from wann_core.errors import WannError, check_choice
from wann_core.typing import Array

_FILES = {"cifar10-n": "CIFAR-10_human.pt", "cifar100-n": "CIFAR-100_human.pt"}
_MOST_BYTES = 1 << 24


def base(dataset: str) -> str:
    """The data set whose embeddings a data set of human labels uses; '' for any other name."""
    return dataset.partition("/")[0][:-2] if dataset.partition("/")[0] in _FILES else ""


def path(dataset: str, dataset_root: str | Path) -> Path:
    """Where the label file of a data set of human labels lies."""
    return Path(dataset_root) / "cifarn" / _FILES[dataset.partition("/")[0]]


def available(dataset_root: str | Path) -> list[str]:
    """The data sets whose label file is there."""
    return [
        f"{name}/{column}"
        for name, columns in HUMAN_LABELS.items()
        if path(name, dataset_root).is_file()
        for column in columns
    ]


def relabel(data: Dataset, dataset: str, dataset_root: str | Path) -> Dataset:
    """The data set with the labels that people gave to its training rows.

    Its own labels stay as the clean ones; test rows keep theirs.

    Raises
    ------
    WannError
        If the file is missing or unreadable, or its clean labels are not those of the embeddings,
        row for row.
    """
    name, _, column = dataset.partition("/")
    check_choice("dataset", dataset, [f"{name}/{known}" for known in HUMAN_LABELS[name]])
    place = path(dataset, dataset_root)
    labels = _read(place, ("clean_label", column))
    clean, given = labels["clean_label"], labels[column]
    ids = data.train.ids
    if len(clean) != len(given) or (len(ids) and ids.max() >= len(clean)):
        raise WannError(
            f"{place!s} holds {len(clean)} clean and {len(given)} given labels; the embeddings of "
            f"{data.name!r} reach to row {ids.max()}.",
            "dataset",
        )
    unlike = int(np.count_nonzero(clean[ids] != data.train.y))
    if unlike:
        raise WannError(
            f"{place!s} is not in the order of the embeddings of {data.name!r}: {unlike} of its "
            f"{len(ids)} clean labels differ from theirs.",
            "dataset",
        )
    if given.min() < 0 or given.max() >= data.n_classes:
        raise WannError(
            f"{place!s}: `{column}` must be class ids below {data.n_classes}, got {given.min()} to "
            f"{given.max()}.",
            "dataset",
        )
    train = dataclasses.replace(data.train, y=given[ids], clean=data.train.y)
    return dataclasses.replace(data, name=dataset, train=train)


def _read(place: Path, columns: tuple[str, ...]) -> dict[str, Array]:
    """Columns of a file that holds a dict of arrays, written by torch."""
    try:
        _check_size(place)
        values = torch_arrays.read(place, columns)
    except FileNotFoundError:
        raise WannError(
            f"the human labels {place!s} do not exist; get them from http://noisylabels.com.",
            "dataset",
        ) from None
    except WannError:
        raise
    except OSError as error:
        raise WannError(f"{place!s} cannot be read: {error.strerror}.", "dataset") from error
    except torch_arrays.DAMAGED as error:
        raise WannError(
            f"{place!s} is not a file of human labels: a dict of whole-number arrays, and nothing "
            "else, as torch writes it.",
            "dataset",
        ) from error
    found = {}
    for column, array in values.items():
        if array is None or not len(array):
            raise WannError(f"{place!s} has no whole numbers under {column!r}.", "dataset")
        found[column] = array
    return found


def _check_size(place: Path) -> None:
    size = place.stat().st_size
    if size <= _MOST_BYTES and zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            size = max(size, sum(info.file_size for info in archive.infolist()))
    if size > _MOST_BYTES:
        raise WannError(f"{place!s} is larger than {_MOST_BYTES >> 20} MiB.", "dataset")

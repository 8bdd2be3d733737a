"""CIFAR-10N and CIFAR-100N: labels that people gave, for embeddings of CIFAR-10 and CIFAR-100.

References
----------
Wei et al., Learning with Noisy Labels Revisited: A Study Using Real-World Human Annotations,
ICLR 2022.
"""

import codecs
import dataclasses
import importlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wann_core.datasets.catalogue import HUMAN_LABELS
from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError

Array = npt.NDArray[Any]

_FILES = {"cifar10-n": "CIFAR-10_human.pt", "cifar100-n": "CIFAR-100_human.pt"}
_MOST_BYTES = 1 << 26


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
    if column not in HUMAN_LABELS[name]:
        raise WannError(
            f"`dataset` must be one of {', '.join(f'{name}/{c}' for c in HUMAN_LABELS[name])}; "
            f"got {dataset!r}.",
            "dataset",
        )
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
    # Imported here: it takes seconds, and no other data set needs it.
    import torch

    try:
        if place.stat().st_size > _MOST_BYTES:
            raise WannError(f"{place!s} is larger than {_MOST_BYTES >> 20} MiB.", "dataset")
        # The file holds numpy arrays; nothing beyond what rebuilds them may be called.
        numpy_core = importlib.import_module("numpy._core.multiarray")
        rebuild: list[Any] = [
            (numpy_core._reconstruct, "numpy.core.multiarray._reconstruct"),
            (codecs.encode, "_codecs.encode"),
            np.ndarray,
            np.dtype,
            type(np.dtype(np.int64)),
            type(np.dtype(np.int32)),
        ]
        with torch.serialization.safe_globals(rebuild):
            content = torch.load(place, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise WannError(
            f"the human labels {place!s} do not exist; get them from http://noisylabels.com.",
            "dataset",
        ) from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError) as error:
        if isinstance(error, WannError):
            raise
        first = str(error).splitlines()[0]
        raise WannError(f"{place!s} is not a file of human labels: {first}.", "dataset") from error
    found = {}
    for column in columns:
        values = (
            np.asarray(content[column]) if isinstance(content, dict) and column in content else None
        )
        if values is None or values.ndim != 1 or values.dtype.kind not in "iu" or not len(values):
            raise WannError(f"{place!s} has no whole numbers under {column!r}.", "dataset")
        found[column] = values.astype(np.int64)
    return found

"""Embeddings of any array type as a matrix."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from wann_core.errors import WannError
from wann_core.neighbors.graph import as_matrix
from wann_core.typing import Array


def on_host(values: Any) -> Any:
    """A torch tensor of any device as an array; anything else as it is."""
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    return tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()


def shape_of(values: Any, name: str) -> tuple[int, ...]:
    """The shape of an array-like.

    Raises
    ------
    WannError
        If its rows have different lengths.
    """
    try:
        return np.shape(values)
    except ValueError as error:
        raise WannError(
            f"`{name}` must have equally many entries in each row, got rows of different lengths.",
            name,
        ) from error


def matrix_of(X: Any, name: str, rows: int | None) -> Array:
    """A matrix of an array, a data frame, a column of lists, or a torch tensor on any device.

    Raises
    ------
    WannError
        If it is sparse, no matrix of finite numbers, has not this many rows, or all rows are the
        same.
    """
    if hasattr(X, "toarray"):
        raise WannError(
            f"`{name}` must be dense, got a sparse matrix; `.toarray()` makes one.", name
        )
    array = as_matrix(_numbers(on_host(X), name), name)
    if rows is not None and len(array) != rows:
        raise WannError(f"`{name}` must have one row a label ({rows:,}), got {len(array):,}.", name)
    if len(array) > 1 and (array[1] == array[0]).all() and (array == array[0]).all():
        raise WannError(
            f"`{name}` must differ from row to row, got the same numbers in all {len(array):,} "
            "rows.",
            name,
        )
    return array


def check_same_order(X: Any, labels: Any) -> None:
    """Refuse a frame and a column of the same row names in different orders.

    Rows are paired by position. An index that only counts names no rows.

    Raises
    ------
    WannError
        If pairing by position would give rows the labels of others.
    """
    a, b = getattr(X, "index", None), getattr(labels, "index", None)
    if not isinstance(a, pd.Index) or not isinstance(b, pd.Index) or len(a) != len(b):
        return
    counting = isinstance(a, pd.RangeIndex) or isinstance(b, pd.RangeIndex)
    if not counting and not a.equals(b) and a.isin(b).all():
        raise WannError(
            "`labels` must have the rows of `embeddings` in the same order, got the same index in "
            "another order; `labels.loc[embeddings.index]` sorts them, and `.to_numpy()` pairs "
            "them by position.",
            "labels",
        )


def listed(values: Any, name: str) -> list[str]:
    """The entries of a sequence as text.

    Raises
    ------
    WannError
        If it is one text, or no sequence.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise WannError(f"`{name}` must be a list, got {values!r}.", name)
    return [str(one) for one in values]


def _numbers(X: Any, name: str) -> Any:
    if isinstance(X, pd.DataFrame):
        for column, kind in X.dtypes.items():
            if not pd.api.types.is_numeric_dtype(kind):
                raise WannError(
                    f"`{name}` must hold numbers only, got the column {column!r} of type {kind}; "
                    "leave it out.",
                    name,
                )
        values = X.to_numpy()
        return X.to_numpy(np.float64, na_value=np.nan) if values.dtype == object else values
    if isinstance(X, np.ma.MaskedArray) and np.ma.getmaskarray(X).any():
        raise WannError(f"`{name}` must have a value in every cell, got masked ones.", name)
    shape_of(X, name)
    array = np.asarray(X)
    if array.dtype != object or array.ndim == 0:
        return array
    # A column of lists or arrays is an array of objects.
    rows = array.tolist()
    shape_of(rows, name)
    return np.asarray(rows)

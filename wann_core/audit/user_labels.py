"""Labels of any type as class ids."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from wann_core.audit.user_arrays import listed, on_host, shape_of
from wann_core.errors import WannError
from wann_core.typing import Array


def class_ids(
    labels: Any, class_names: Sequence[str] | None = None
) -> tuple[Array, tuple[str, ...]]:
    """Turn labels into class ids from 0 and the names of the classes.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Text, numbers or booleans; None, NaN, NaT and `pandas.NA` mean no label.
    class_names : sequence of str, optional
        All classes in the order of their ids; by default those that occur.

    Returns
    -------
    ids : ndarray of shape (n,), int64
        -1 where there is no label.
    class_names : tuple of str

    Raises
    ------
    WannError
        If `labels` is no column of single values, or holds one that is not among `class_names`.

    Examples
    --------
    >>> ids, names = class_ids([10, 2, None, 10])
    >>> ids.tolist(), names
    ([1, 0, -1, 1], ('2', '10'))
    >>> class_ids([1, 0], ["cat", "dog"])[0].tolist()
    [1, 0]
    """
    values = _column(labels)
    missing = values.isna().to_numpy()
    present = values[~missing]
    texts = present.map(_text)
    ids = np.full(len(values), -1, np.int64)
    if class_names is None:
        distinct = present.groupby(texts, sort=False).first()
        names = tuple(sorted(distinct.index, key=lambda name: _order(distinct[name], name)))
        known = {name: i for i, name in enumerate(names)}
    else:
        names = tuple(listed(class_names, "class_names"))
        known = {name: i for i, name in enumerate(names)}
        if len(known) != len(names):
            raise WannError("`class_names` must differ from each other.", "class_names")
        by_id = {str(i): i for i in range(len(names))}
        # Ids of the classes, unless numbers are the names themselves.
        if not set(texts) <= set(known) and set(texts) <= set(by_id):
            known = by_id
    if unknown := set(texts) - set(known):
        raise WannError(
            f"`labels` must be among the {len(names)} `class_names` or their ids from 0, "
            f"got {min(unknown - set(by_id) or unknown)!r}; None and NaN mean "
            "no label.",
            "labels",
        )
    ids[~missing] = texts.map(known).to_numpy(np.int64)
    return ids, names


def _column(labels: Any) -> pd.Series:
    labels = on_host(labels)
    shape = shape_of(labels, "labels")
    if len(shape) == 2 and shape[1] == 1:
        labels = np.asarray(labels, object)[:, 0]
    elif len(shape) != 1:
        raise WannError(
            f"`labels` must be one column, got an array of shape {shape}; class probabilities go "
            "to `pred_probs`.",
            "labels",
        )
    if isinstance(labels, pd.Series) and not isinstance(labels.dtype, np.dtype):
        return labels.astype(object)
    if not isinstance(getattr(labels, "dtype", None), np.dtype):  # a list, or another library's
        # Iterating over an Arrow array yields wrapped values, of which none is None.
        labels = labels.to_pylist() if hasattr(labels, "to_pylist") else labels
        plain = [one.item() if hasattr(one, "detach") else one for one in labels]
        return pd.Series(plain, dtype=object)
    array = labels if np.ma.isMaskedArray(labels) else np.asarray(labels)
    # pandas groups neither bytes nor numbers in the other byte order.
    kind = object if array.dtype.kind == "S" else array.dtype.newbyteorder("=")
    return pd.Series(array.astype(kind, copy=False))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _order(value: Any, text: str) -> tuple[int, float, str]:
    """Numbers by value, before text by letter."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
    return (0, float(value), text) if number else (1, 0.0, text)

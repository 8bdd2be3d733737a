"""Labels of any type as class ids."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

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
        If `labels` is not a column, or holds a label that is not among `class_names`.

    Examples
    --------
    >>> ids, names = class_ids([10, 2, None, 10])
    >>> ids.tolist(), names
    ([1, 0, -1, 1], ('2', '10'))
    >>> class_ids([1, 0], ["cat", "dog"])[0].tolist()
    [1, 0]
    """
    if hasattr(labels, "detach"):  # a torch tensor, on any device
        labels = labels.detach().cpu().numpy()
    if np.ndim(labels) != 1:
        raise WannError(
            f"`labels` must be one column, got an array of shape {np.shape(labels)}; class "
            "probabilities go to `pred_probs`.",
            "labels",
        )
    values = pd.Series(np.asarray(labels, object) if isinstance(labels, list | tuple) else labels)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    missing = values.isna().to_numpy()
    present = values[~missing]
    texts = present.map(_text)
    ids = np.full(len(values), -1, np.int64)
    if class_names is None:
        distinct = present.groupby(texts, sort=False).first()
        names = tuple(sorted(distinct.index, key=lambda name: _order(distinct[name], name)))
        known = {name: i for i, name in enumerate(names)}
    else:
        names = tuple(str(name) for name in class_names)
        known = {name: i for i, name in enumerate(names)}
        if len(known) != len(names):
            raise WannError("`class_names` must differ from each other.", "class_names")
        by_id = {str(i): i for i in range(len(names))}
        # Ids of the classes, unless numbers are the names themselves.
        if not set(texts) <= set(known) and set(texts) <= set(by_id):
            known = by_id
    unknown = sorted(set(texts) - set(known))
    if unknown:
        raise WannError(
            f"`labels` must be among the {len(names)} `class_names` or their ids from 0, "
            f"got {unknown[0]!r}.",
            "labels",
        )
    ids[~missing] = texts.map(known).to_numpy(np.int64)
    return ids, names


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

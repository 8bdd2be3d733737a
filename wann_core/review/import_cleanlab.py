"""cleanlab's table of label issues as a ranking to review."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.records import read_columns
from wann_core.errors import WannError
from wann_core.review.imports import LIMITS
from wann_core.review.matching import Matcher
from wann_core.typing import Array

_INDEX = ("row", "index", "", "__index_level_0__", "Unnamed: 0")
_SCORES = ("label_score", "label_quality")
_NEEDED = ("is_label_issue", "given_label", "predicted_label")


def read_cleanlab(
    path: str | Path, data: Dataset, *, split: str | None = None, limits: Limits = LIMITS
) -> tuple[pd.DataFrame, str]:
    """A ranking to review out of cleanlab's table of label issues.

    Parameters
    ----------
    path : path
        CSV or Parquet of `Datalab.get_issues("label")` or `CleanLearning.find_label_issues`: the
        columns is_label_issue, label_score or label_quality, given_label and predicted_label.
        Its index, or else its order, counts the rows that cleanlab was given.
    data : Dataset
    split : {'train', 'val', 'test'}, optional
        What cleanlab was given; by default all labeled rows or the split of that many.
    limits : Limits

    Returns
    -------
    table : DataFrame
        Most doubtful first: split, row, name, given_label, predicted_label, given_label_id,
        predicted_label_id, label_score, is_label_issue.
    text : str
        How many rows were taken and left out.

    Raises
    ------
    WannError
        If the file is no such table, or does not fit the data.
    """
    found = read_columns(path, [*_NEEDED, *_SCORES, *_INDEX], limits=limits)
    missing = [name for name in _NEEDED if name not in found]
    missing += [] if any(name in found for name in _SCORES) else [" or ".join(_SCORES)]
    if missing:
        raise WannError(f"cleanlab's table needs the column {missing[0]}.", "path")
    score = next(_numbers(found[name], name) for name in _SCORES if name in found)
    index = next((_numbers(found[name], "index") for name in _INDEX if name in found), None)
    places = np.arange(len(score)) if index is None else index
    matcher = Matcher(data)
    samples = matcher.samples(split, len(score))
    lookup: dict[str, int] = {}
    for text in {*found["given_label"], *found["predicted_label"]}:
        label = matcher.class_id(text)
        lookup[text] = -1 if label is None else label
    given, predicted = (
        np.array([lookup[text] for text in found[name]], np.int64) for name in _NEEDED[1:]
    )
    inside = (places == np.round(places)) & (places >= 0) & (places < len(samples))
    at = np.where(inside, places, 0).astype(np.int64)
    fits = inside & (samples["given_label_id"].to_numpy()[at] == given) & (predicted >= 0)
    if not fits.any():
        raise WannError(
            f"the table does not fit {data.name!r}: no row has the label that it has here.", "path"
        )
    kept = np.flatnonzero(fits)
    if len(np.unique(at[kept])) < len(kept):
        raise WannError("the table has a row twice.", "path")
    names = np.asarray(data.class_names, object)
    issues = np.array([text.casefold() in ("true", "1", "1.0") for text in found[_NEEDED[0]]])
    table = samples.iloc[at[kept]][["split", "row", "name"]].assign(
        given_label=names[given[kept]],
        predicted_label=names[predicted[kept]],
        given_label_id=given[kept],
        predicted_label_id=predicted[kept],
        label_score=score[kept],
        is_label_issue=issues[kept],
    )
    text = (
        f"{len(kept):,} rows taken, {len(fits) - len(kept):,} left out: no such row, or another "
        "label here."
    )
    ranked = table.sort_values("label_score", kind="stable").reset_index(drop=True)
    return ranked, text


def _numbers(texts: Sequence[str], name: str) -> Array:
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        raise WannError(f"column {name!r} must hold numbers.", "path") from None
    if not np.isfinite(numbers).all():
        raise WannError(f"column {name!r} must hold finite numbers.", "path")
    return numbers

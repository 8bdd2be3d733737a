"""cleanlab's table of label issues as a ranking to review."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.records import read_columns
from wann_core.errors import WannError
from wann_core.review.imports.kinds import LIMITS, as_utf8
from wann_core.review.imports.verdicts import number_of
from wann_core.review.matching import Matcher
from wann_core.typing import Array

_INDEX = ("row", "index", "", "__index_level_0__", "Unnamed: 0")
_SCORES = ("label_score", "label_quality")
_LABELS = ("given_label", "predicted_label")
_ISSUE = "is_label_issue"
# Cohen's kappa between the labels of a table and those here: 0 where its rows are in another order.
_LEAST_AGREEMENT = 0.5


class Ranking(NamedTuple):
    """Labels by doubt, as somebody else's table has them.

    Attributes
    ----------
    table : DataFrame
        Most doubtful first: split, row, name, given_label, given_label_id, label_score,
        is_label_issue; and predicted_label and predicted_label_id where the file has them.
    text : str
        How many rows were taken and left out.
    """

    table: pd.DataFrame
    text: str


def read_cleanlab(
    path: str | Path, data: Dataset, *, split: str | None = None, limits: Limits = LIMITS
) -> Ranking:
    """A ranking to review out of cleanlab's table of label issues.

    Parameters
    ----------
    path : path
        CSV or Parquet of `Datalab.get_issues()`, `Datalab.get_issues("label")` or
        `CleanLearning.find_label_issues`, all rows or some: the columns is_label_issue, label_score
        or label_quality, and given_label and predicted_label if present. Rows are identified by
        the columns split and row where the table has both; else its index, or else its order,
        counts the rows that cleanlab was given.
    data : Dataset
    split : {'train', 'val', 'test', 'all'}, optional
        What cleanlab was given; by default all labeled rows or the split of that many.
    limits : Limits

    Raises
    ------
    WannError
        If the file is not such a table, or does not fit the data, as where its rows are in another
        order; with the field 'split' if it must
        be said what cleanlab was given.
    """
    with as_utf8(Path(path)) as (plain, _):
        found = read_columns(plain, [_ISSUE, *_LABELS, *_SCORES, "split", *_INDEX], limits=limits)
    missing = [] if _ISSUE in found else [_ISSUE]
    missing += [] if any(name in found for name in _SCORES) else [" or ".join(_SCORES)]
    if missing:
        raise WannError(f"cleanlab's table needs the column {missing[0]}.", "path")
    score = next(_numbers(found[name], name) for name in _SCORES if name in found)
    matcher = Matcher(data)
    samples, at = _samples(matcher, found, split, len(score))
    given = samples["given_label_id"].to_numpy()[at]
    fits = at >= 0
    if "given_label" in found:
        labels = _class_ids(matcher, found["given_label"])
        if not {"split", "row"} <= found.keys():
            comparable = fits & (labels >= 0)
            _check_order(labels[comparable], given[comparable], data)
        fits &= labels == given
    predicted = None
    if "predicted_label" in found:
        predicted = _class_ids(matcher, found["predicted_label"])
        fits &= predicted >= 0
    if not fits.any():
        raise WannError(
            f"the table does not fit {data.name!r}: no row has the label that it has here.", "path"
        )
    kept = np.flatnonzero(fits)
    if len(np.unique(at[kept])) < len(kept):
        raise WannError("the table has a row twice.", "path")
    names = np.asarray(data.class_names, object)
    issues = np.array([text.casefold() in ("true", "1", "1.0", "wahr") for text in found[_ISSUE]])
    table = samples.iloc[at[kept]][["split", "row", "name"]].assign(
        given_label=names[given[kept]],
        given_label_id=given[kept],
        label_score=score[kept],
        is_label_issue=issues[kept],
    )
    if predicted is not None:
        table["predicted_label"] = names[predicted[kept]]
        table["predicted_label_id"] = predicted[kept]
    text = (
        f"{len(kept):,} rows taken, {len(fits) - len(kept):,} left out: no such row, or another "
        "label here."
    )
    ranked = table.sort_values("label_score", kind="stable").reset_index(drop=True)
    return Ranking(ranked, text)


def _samples(
    matcher: Matcher, found: dict[str, list[str]], split: str | None, count: int
) -> tuple[pd.DataFrame, Array]:
    """The labeled rows that the table may be about, and the place there of each row of it."""
    index = next((_numbers(found[name], "index") for name in _INDEX if name in found), None)
    if index is not None and "split" in found and "row" in found:
        samples = matcher.samples("all", count)
        whole = np.where(index == np.round(index), index, -1).astype(np.int64)
        return samples, matcher.index.find(np.asarray(found["split"], object), whole)
    samples = matcher.samples(split, count)
    places = np.arange(count) if index is None else index
    inside = (places == np.round(places)) & (places >= 0) & (places < len(samples))
    return samples, np.where(inside, places, -1).astype(np.int64)


def _check_order(theirs: Array, ours: Array, data: Dataset) -> None:
    """Refuse a table that agrees with the labels here hardly more than shuffled rows would."""
    classes = len(data.class_names)
    agree = float((theirs == ours).mean()) if len(ours) else 1.0
    shares = (np.bincount(y[y >= 0], minlength=classes) / max(len(y), 1) for y in (theirs, ours))
    by_chance = float(np.multiply(*shares).sum())
    if agree < 1 and agree - by_chance < _LEAST_AGREEMENT * (1 - by_chance):
        raise WannError(
            f"the table does not fit {data.name!r}: only {np.count_nonzero(theirs == ours):,} of "
            f"{len(ours):,} rows have the label that they have here. Are they in another order? "
            "Rows are counted in the order of the data set here, unless the table has the columns "
            "split and row.",
            "path",
        )


def _class_ids(matcher: Matcher, texts: Sequence[str]) -> Array:
    """Class id of each label; -1 for what is not a class here."""
    known = {text: matcher.class_id(text) for text in {*texts}}
    return np.array([-1 if (label := known[text]) is None else label for text in texts], np.int64)


def _numbers(texts: Sequence[str], name: str) -> Array:
    try:
        numbers = np.array([number_of(text) for text in texts])
    except ValueError:
        raise WannError(f"column {name!r} must hold numbers.", "path") from None
    if not np.isfinite(numbers).all():
        raise WannError(f"column {name!r} must hold finite numbers.", "path")
    return numbers

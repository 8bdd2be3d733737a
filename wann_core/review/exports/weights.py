"""Weights of the rows, for `sample_weight` of a training of one's own."""

import io
from typing import Any

import numpy as np
import pandas as pd

from wann_core.audit.result import Audit
from wann_core.audit.reviewing.stopping import error_rates
from wann_core.review.exports.content import Exported, Review
from wann_core.review.verdict import ACTIONS
from wann_core.storage.tables import to_plain_csv
from wann_core.typing import Array


def chance_wrong(audit: Audit) -> Array:
    """Probability that each label of an audit's table is wrong, in the order of the table."""
    order = audit.ranked().index.to_numpy()
    rates = np.empty(len(order))
    rates[order] = error_rates(audit)
    return rates


def training_weights(review: Review) -> Array:
    """How far each labeled row can be relied on, in the order of the audit's table.

    Returns
    -------
    ndarray of shape (n,)
        The audit's probability that the given label is right; 1 where somebody kept or corrected
        it, 0 where somebody removed the row.
    """
    weights = 1.0 - chance_wrong(review.ranked_by)
    at = review.index.find(review.verdicts["split"].to_numpy(object), review.verdicts["row"])
    settled = {"keep": 1.0, "relabel": 1.0, "remove": 0.0}
    assert settled.keys() < {*ACTIONS}
    known = review.verdicts["action"].map(settled).to_numpy(np.float64)
    judged = ~np.isnan(known)
    weights[at[judged]] = known[judged]
    return weights


def _columns(review: Review) -> dict[str, Array]:
    """Split, row, name, label, label_id and weight of every row, in the order of the source."""
    index, after = review.index, review.after
    labels = np.concatenate(
        [after.labels[name][after.data.splits[name].y >= 0] for name in index.splits]
    )
    names = np.asarray(after.data.class_names, object)
    return {
        "split": np.asarray(index.splits, object)[index.split],
        "row": index.ids,
        "name": review.ranked_by.table["name"].to_numpy(object),
        "label": names[labels],
        "label_id": labels,
        "weight": training_weights(review),
    }


def weights_csv(review: Review) -> Exported:
    """CSV of split, row, name, label and label_id (after review) and weight, 0 to 1.

    In the order of the source; removed rows are in it with weight 0.
    """
    table = pd.DataFrame(_columns(review))
    return Exported(to_plain_csv(table).encode(), len(table))


def weights_npz(review: Review) -> Exported:
    """The columns of `weights_csv` as arrays of an .npz file that needs no pickle."""
    columns = _columns(review)
    plain: dict[str, Any] = {
        name: values.astype(str) if values.dtype == object else values
        for name, values in columns.items()
    }
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **plain)
    return Exported(file.getvalue(), len(columns["row"]))

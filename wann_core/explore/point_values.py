"""Values to color the map by, one per training or test row."""

import numpy as np

from wann_core.errors import check_choice
from wann_core.experiments.prepared import PreparedData
from wann_core.explore.neighborhood import SPLITS, neighbors_of, predictions
from wann_core.methods.voting import support
from wann_core.typing import Array

VALUES = ("observed", "true", "flipped", "reliability", "adaptive_k", "agreement")
CORRECT = "correct-"  # and the name of a method
PREDICTED = "predicted-"  # and the name of a method


def values(prepared: PreparedData, split: str, what: str) -> Array:
    """Value of each row.

    Parameters
    ----------
    prepared : PreparedData
    split : {'train', 'test'}
    what : str
        'observed', 'true': class ids; a test row has its true one only. 'flipped': whether they
        differ. 'adaptive_k', 'reliability': of the label, or 1 / k of it; for a test row those of
        its nearest training row, as in the vote on it. 'agreement': share of the k_max nearest
        training rows with the label observed here. 'correct-kNN-11', 'correct-WANN' and so on:
        whether the method finds the true class; a training row has no vote on itself, but the
        reliability of the others was found with its label among their neighbors. 'predicted-WANN'
        and so on: the class id that it answers, in the same way.

    Returns
    -------
    ndarray of shape (n,) or (m,)
        int64, bool or float64.

    Raises
    ------
    WannError
        If `split` or `what` is unknown.

    Examples
    --------
    >>> from wann_core import Scenario, prepare
    >>> clean = prepare(Scenario())
    >>> float(values(clean, "train", "correct-WANN").mean()) > 0.9
    True
    """
    check_choice("split", split, SPLITS)
    p = prepared
    true = p.clean_labels if split == "train" else p.y_test
    observed = p.labels if split == "train" else p.y_test
    if what.startswith(CORRECT):
        return np.asarray(predictions(p, split, what.removeprefix(CORRECT)) == true)
    if what.startswith(PREDICTED):
        return predictions(p, split, what.removeprefix(PREDICTED))
    check_choice("what", what, VALUES)
    if what in ("observed", "true"):
        return true if what == "true" else observed
    if what == "flipped":
        return np.asarray(observed != true)
    ids, _ = neighbors_of(p, split)
    if what == "agreement":
        return np.asarray(support(ids, p.labels, observed, min(p.k_bounds[1], ids.shape[1])))
    k = p.adaptive_k if split == "train" else p.adaptive_k[ids[:, 0]]
    return k if what == "adaptive_k" else 1.0 / k

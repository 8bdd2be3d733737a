"""Neighbor votes that weigh distance and belief in the labels, chosen without clean labels."""

from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from wann_core.audit.evidence import NEIGHBORS, Evidence
from wann_core.audit.kernels import edge_shares
from wann_core.errors import WannError
from wann_core.methods.voting import adaptive_k, vote
from wann_core.neighbors.graph import NeighborGraph, nearest
from wann_core.parallel import in_slices
from wann_core.sklearn_compat import validate_data
from wann_core.typing import Array

_BELIEFS = (0.0, 0.5, 1.0)
_K_MIN = 11


class BelievedNeighborsClassifier(ClassifierMixin, BaseEstimator):
    """Vote of the 51 nearest rows, nearer ones and believed labels weighing more.

    A vote weighs exp(-d² / m²), d being its distance and m that of the middle voter, times the
    probability that its given label is right (by an audit of the training rows without a probe) to
    the power of `belief`.

    Parameters
    ----------
    belief : {'auto'} or float
        From 0, plain distance weights. 'auto' takes the one of 0, 0.5 and 1 whose leave-one-out
        answers have most of the audit's posterior; no clean label is needed for that.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    belief_ : float
        The one that was taken.
    right_ : ndarray of shape (n,), float64
        Probability that each training label is right.
    agreement_ : Series
        What 'auto' chose by, see `vote_agreement`; empty otherwise.

    Notes
    -----
    Measured beside kNN-51 and WANN in docs/neighbor_votes.md.

    Examples
    --------
    >>> X = np.concatenate([np.zeros((30, 2)), np.ones((30, 2))]) + np.arange(60)[:, None] / 500
    >>> y = np.repeat(["a", "b"], 30)
    >>> y[3] = "b"
    >>> BelievedNeighborsClassifier().fit(X, y).predict([[0.01, 0.01]]).tolist()
    ['a']
    """

    def __init__(self, belief: float | Literal["auto"] = "auto") -> None:
        self.belief = belief

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, graph: NeighborGraph | None = None) -> Self:
        """Audit the training rows, and choose how far belief counts.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y : array-like of shape (n,)
            Labels of any type.
        graph : NeighborGraph, optional
            A graph of these very rows, so that nothing is searched again.

        Returns
        -------
        self

        Raises
        ------
        WannError
            If there is one row only, or the belief is neither 'auto' nor a number from 0.
        """
        number = isinstance(self.belief, int | float) and np.isfinite(self.belief)
        if self.belief != "auto" and (not number or float(self.belief) < 0):
            raise WannError(
                f"`belief` must be 'auto' or a number from 0, got {self.belief!r}.", "belief"
            )
        rows, y = validate_data(self, X, y)
        check_classification_targets(y)
        if len(rows) < 2:
            raise WannError(f"neighbor votes need at least 2 rows, got n_samples = {len(rows)}.")
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._codes: Array = codes.astype(np.int64)
        self._X: Array = np.ascontiguousarray(rows, np.float32)
        self.right_, self.belief_ = np.ones(len(rows)), 0.0
        self.agreement_ = pd.Series(dtype=np.float64)
        if self.belief != "auto":
            self.belief_ = float(self.belief)
        if len(self.classes_) > 1 and self.belief != 0:
            self._learn(graph)
        return self

    def _learn(self, graph: NeighborGraph | None) -> None:
        if graph is None:
            graph = NeighborGraph.build(self._X, k=min(NEIGHBORS, len(self._X) - 1))
        evidence = Evidence(graph, self._codes, len(self.classes_), X=self._X)
        self.right_ = _right(evidence)
        if self.belief == "auto":
            self.agreement_ = vote_agreement(evidence)
            self.belief_ = max(_BELIEFS, key=lambda b: self.agreement_[f"belief {b:g}"])

    def predict(self, X: npt.ArrayLike, graph: NeighborGraph | None = None) -> Array:
        """The winning class of each row; ties go to the lowest class.

        Parameters
        ----------
        X : array-like of shape (m, d)
        graph : NeighborGraph, optional
            A graph whose test rows are these very rows.

        Returns
        -------
        ndarray of shape (m,)
        """
        return np.asarray(self.classes_[self.predict_proba(X, graph).argmax(axis=1)])

    def predict_proba(self, X: npt.ArrayLike, graph: NeighborGraph | None = None) -> Array:
        """Share of each class in the votes.

        Parameters
        ----------
        X : array-like of shape (m, d)
        graph : NeighborGraph, optional
            A graph whose test rows are these very rows.

        Returns
        -------
        ndarray of shape (m, len(classes_)), float64
            Columns in the order of `classes_`.

        Raises
        ------
        WannError
            If the graph does not fit the rows.
        """
        check_is_fitted(self)
        rows = np.ascontiguousarray(validate_data(self, X, reset=False), np.float32)
        if graph is None:
            ids, distances = nearest(rows, self._X, min(NEIGHBORS, len(self._X)))
        elif graph.test_ids is None or graph.test_distances is None:
            raise WannError("`graph` must have test rows.", "graph")
        else:
            ids, distances = graph.test_ids[:, :NEIGHBORS], graph.test_distances[:, :NEIGHBORS]
            if len(ids) != len(rows) or len(graph.train_ids) != len(self._X):
                raise WannError(
                    f"`graph` must be of the {len(self._X)} training rows and these {len(rows)}.",
                    "graph",
                )
        weights = _near(distances) * self.right_[ids] ** self.belief_
        return _shares(ids, self._codes, weights, len(self.classes_))


def vote_agreement(evidence: Evidence) -> "pd.Series[float]":
    """How right each kind of vote is likely to be, without clean labels.

    Every training row is answered by the others. What counts is the audit's posterior of the
    answer, which knows the given label too: its mean is the accuracy that the audit expects.

    Parameters
    ----------
    evidence : Evidence
        Of two classes or more.

    Returns
    -------
    Series
        Expected accuracy, 0 to 1, best first, by kind of vote: 'kNN-11', 'kNN-51', 'WANN' and
        'belief 0', 'belief 0.5', 'belief 1' of `BelievedNeighborsClassifier`. Only their order is
        worth something.
    """
    ids, labels, C = evidence.ids, evidence.labels, evidence.n_classes
    near = _near(evidence.graph.train_distances[:, :NEIGHBORS])
    right, most = _right(evidence), ids.shape[1]
    k = adaptive_k(ids, labels, min(_K_MIN, most), most)
    answers = {
        f"kNN-{_K_MIN}": vote(ids, labels, min(_K_MIN, most)),
        f"kNN-{NEIGHBORS}": vote(ids, labels, most),
        "WANN": vote(ids, labels, k[ids[:, 0]], weights=1.0 / k),
    }
    for belief in _BELIEFS:
        shares = _shares(ids, labels, near * right[ids] ** belief, C)
        answers[f"belief {belief:g}"] = shares.argmax(axis=1)
    rows = np.arange(len(labels))
    found = {name: float(evidence.posterior[rows, a].mean()) for name, a in answers.items()}
    return pd.Series(found).sort_values(ascending=False, kind="stable")


def _right(evidence: Evidence) -> Array:
    """Probability that each given label is right."""
    own = evidence.posterior[np.arange(len(evidence.labels)), evidence.labels]
    return np.asarray(own, np.float64)


def _near(distances: Array) -> Array:
    """Weights that fall with the distance, in units of the middle voter's."""
    middle = distances[:, (distances.shape[1] - 1) // 2, None].astype(np.float64)
    return np.exp(-((distances / np.maximum(middle, 1e-12)) ** 2))


def _shares(ids: Array, labels: Array, weights: Array, n_classes: int) -> Array:
    shares = np.zeros((len(ids), n_classes))
    in_slices(edge_shares, len(ids), ids, labels, weights, shares)
    return shares

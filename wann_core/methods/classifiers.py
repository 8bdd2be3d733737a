"""kNN, ANN and WANN as scikit-learn estimators."""

from abc import abstractmethod
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from wann_core.errors import WannError, check_number
from wann_core.methods.voting import adaptive_k, vote, vote_shares
from wann_core.neighbors.graph import NeighborGraph, nearest
from wann_core.sklearn_compat import validate_data
from wann_core.typing import Array


class NeighborVote(ClassifierMixin, BaseEstimator):
    """What the classifiers share: labels, graphs, and the vote of `_voters` under `_weights`."""

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, graph: NeighborGraph | None = None) -> Self:
        """Remember the training rows and, for adaptive methods, score their labels.

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
            If there is one row only, a parameter is out of range, or the graph is of other rows.
        """
        self._check_parameters()
        rows, y = validate_data(self, X, y)
        check_classification_targets(y)
        if len(rows) < 2:
            raise WannError(f"neighbor votes need at least 2 rows, got n_samples = {len(rows)}.")
        if graph is not None and len(graph.train_ids) != len(rows):
            raise WannError(
                f"`graph` must be of the {len(rows)} training rows, "
                f"got {len(graph.train_ids)} rows."
            )
        self.classes_, self._codes = np.unique(y, return_inverse=True)
        self._X: Array = rows
        self._learn(graph)
        return self

    def predict(self, X: npt.ArrayLike, graph: NeighborGraph | None = None) -> Array:
        """The winning class of each row.

        Where classes tie, `predict` rules and may differ from the argmax of `predict_proba`:
        an unweighted tie goes to the lowest class, a weighted one to the class met first.

        Parameters
        ----------
        X : array-like of shape (m, d)
        graph : NeighborGraph, optional
            A graph whose test rows are these very rows.

        Returns
        -------
        ndarray of shape (m,)

        Raises
        ------
        WannError
            If the graph does not fit the rows.
        """
        winners = self._winners(*self._neighbors(X, graph))
        return np.asarray(self.classes_[winners])

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
        return self._shares(*self._neighbors(X, graph))

    def _neighbors(self, X: npt.ArrayLike, graph: NeighborGraph | None) -> tuple[Array, Array]:
        """Ids and distances of each row's nearest training rows, as many as may vote or more."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False)
        if graph is None:
            return nearest(rows, self._X, self._most_voters())
        ids, distances = graph.test_ids, graph.test_distances
        fits = len(graph.train_ids) == len(self._X)
        if ids is None or distances is None or len(ids) != len(rows) or not fits:
            raise WannError(
                f"`graph` must be of the {len(self._X)} training rows and these {len(rows)} rows."
            )
        if ids.shape[1] < self._most_voters():
            raise WannError(
                f"`graph` must hold {self._most_voters()} neighbors a row, got {ids.shape[1]}."
            )
        return ids, distances

    def _winners(self, ids: Array, distances: Array) -> Array:
        return vote(ids, self._codes, self._voters(ids), self._weights())

    def _shares(self, ids: Array, distances: Array) -> Array:
        return vote_shares(ids, self._codes, self._voters(ids), self._weights(), len(self.classes_))

    @abstractmethod
    def _check_parameters(self) -> None: ...

    @abstractmethod
    def _learn(self, graph: NeighborGraph | None) -> None: ...

    @abstractmethod
    def _most_voters(self) -> int: ...

    def _voters(self, ids: Array) -> int | Array:
        return self._most_voters()

    def _weights(self) -> Array | None:
        return None


class KNNClassifier(NeighborVote):
    """Majority vote of the k nearest training rows.

    Parameters
    ----------
    k : int
        Neighbors that vote; cut to the number of training rows.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)

    Examples
    --------
    >>> X, y = np.array([[0.0], [1.0], [5.0], [6.0]]), ["a", "a", "b", "b"]
    >>> KNNClassifier(k=1).fit(X, y).predict([[4.0]]).tolist()
    ['b']
    """

    def __init__(self, k: int = 11) -> None:
        self.k = k

    def _check_parameters(self) -> None:
        check_number("k", self.k, 1, whole=True)

    def _learn(self, graph: NeighborGraph | None) -> None:
        """Nothing to learn beyond the rows."""

    def _most_voters(self) -> int:
        return min(self.k, len(self._X))


class ANNClassifier(NeighborVote):
    """Adaptive nearest neighbors: majority vote, k being that of the nearest training row.

    Parameters
    ----------
    k_min, k_max : int
        Bounds of the adaptive k. With few rows k_max is cut to n - 1 and k_min to k_max.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    adaptive_k_ : ndarray of shape (n,), int32
        Smallest neighborhood that explains each training label; k_max if none does.
    reliability_ : ndarray of shape (n,), float64
        η = 1 / adaptive_k_.

    References
    ----------
    Sun and Huang, An adaptive k-nearest neighbor algorithm, FSKD 2010.
    Di Salvo et al., An Embedding is Worth a Thousand Noisy Labels, TMLR 2025.
    """

    def __init__(self, k_min: int = 11, k_max: int = 51) -> None:
        self.k_min = k_min
        self.k_max = k_max

    def _check_parameters(self) -> None:
        check_number("k_max", self.k_max, 1, whole=True)
        check_number("k_min", self.k_min, 1, self.k_max, whole=True)

    def _learn(self, graph: NeighborGraph | None) -> None:
        k_max = self._most_voters()
        if graph is None:
            graph = NeighborGraph.build(self._X, k=k_max)
        k_min = min(self.k_min, k_max)
        self.adaptive_k_ = adaptive_k(graph.train_ids, self._codes, k_min, k_max)
        self.reliability_ = 1.0 / self.adaptive_k_

    def _most_voters(self) -> int:
        return min(self.k_max, len(self._X) - 1)

    def _voters(self, ids: Array) -> Array:
        return np.asarray(self.adaptive_k_[ids[:, 0]])


class WANNClassifier(ANNClassifier):
    """ANN whose votes are weighted by the reliability of the neighbors' labels.

    Parameters
    ----------
    k_min, k_max : int
        Bounds of the adaptive k. With few rows k_max is cut to n - 1 and k_min to k_max.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    adaptive_k_ : ndarray of shape (n,), int32
        Smallest neighborhood that explains each training label; k_max if none does.
    reliability_ : ndarray of shape (n,), float64
        η = 1 / adaptive_k_, the weight of the row's vote.

    References
    ----------
    Di Salvo et al., An Embedding is Worth a Thousand Noisy Labels, TMLR 2025.
    """

    def _weights(self) -> Array:
        return self.reliability_

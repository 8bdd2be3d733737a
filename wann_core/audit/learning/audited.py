"""What the classifiers share that learn from an audit of their training rows."""

from abc import abstractmethod
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.errors import WannError
from wann_core.methods.probes.softmax import softmax_probabilities
from wann_core.neighbors.graph import NeighborGraph
from wann_core.sklearn_compat import validate_data
from wann_core.typing import Array


class AuditedClassifier(ClassifierMixin, BaseEstimator):
    """A linear softmax, `coefficients_`, fitted to what an audit without a probe has found."""

    coefficients_: Array

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Audit the training rows, and fit to what was found.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Normalized embeddings.
        y : array-like of shape (n,)
            Noisy labels of any type.

        Returns
        -------
        self

        Raises
        ------
        WannError
            If there are fewer than two classes, no label can be judged, or a parameter is out of
            range.
        """
        self._check_parameters()
        rows, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise WannError(
                f"{type(self).__name__} needs rows of two classes at least, got {len(rows)} rows "
                "of one class."
            )
        rows = np.ascontiguousarray(rows, np.float32)
        graph = NeighborGraph.build(rows, k=min(NEIGHBORS, len(rows) - 1))
        self._learn(rows, codes, Evidence(graph, codes, len(self.classes_), X=rows))
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """The most probable class of each row, shape (m,)."""
        # First, as it says where nothing was fitted.
        winners = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[winners])

    def predict_proba(self, X: npt.ArrayLike) -> Array:
        """Probability of each class, shape (m, C)."""
        check_is_fitted(self)
        rows = np.asarray(validate_data(self, X, reset=False), np.float32)
        return self._probabilities(rows)

    def _check_parameters(self) -> None:
        """Raise `WannError` where a parameter is out of range."""

    @abstractmethod
    def _learn(self, X: Array, codes: Array, evidence: Evidence) -> None:
        """Fit to class ids from 0 to C - 1."""

    def _probabilities(self, X: Array) -> Array:
        return softmax_probabilities(X, self.coefficients_)

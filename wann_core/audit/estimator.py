"""The audit as a scikit-learn estimator: reliability weights for whatever is trained next."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from wann_core.audit.arrays import audit_labels
from wann_core.audit.result import Audit
from wann_core.audit.scores import DEFAULT_SCORE
from wann_core.sklearn_compat import validate_data
from wann_core.typing import Array


class LabelAuditor(TransformerMixin, BaseEstimator):
    """Scikit-learn transformer that audits the labels it is fitted to; rows pass unchanged.

    Parameters
    ----------
    score_name : str
        What ranks the labels, see `audit_labels`.
    probe : bool
        Whether logistic regression, fitted out of fold, may speak, too.
    seed : int
        Deals the folds of the probe.

    Attributes
    ----------
    audit_ : Audit
        Everything that was found.
    sample_weight_ : ndarray of shape (n,), float64
        Probability that each given label is right; hand it to `fit(X, y, sample_weight=…)`.
    soft_labels_ : ndarray of shape (n, C), float64
        Probability of each class of `classes_`.
    is_issue_ : ndarray of shape (n,), bool
        The labels that look wrong, as many as are estimated to be.
    classes_ : ndarray of shape (C,)
        Labels, sorted.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_digits(return_X_y=True)
    >>> auditor = LabelAuditor(probe=False).fit(X[:300], y[:300])
    >>> model = LogisticRegression(max_iter=1000)
    >>> model = model.fit(X[:300], y[:300], sample_weight=auditor.sample_weight_)
    """

    def __init__(self, score_name: str = DEFAULT_SCORE, probe: bool = True, seed: int = 0) -> None:
        self.score_name = score_name
        self.probe = probe
        self.seed = seed

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, *, groups: Any = None) -> "LabelAuditor":
        """Judge the labels `y` of the rows `X`.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y : array-like of shape (n,)
        groups : array-like of shape (n,), optional
            Rows of one group do not judge each other.

        Raises
        ------
        WannError
            As `audit_labels` does.
        """
        rows, labels = validate_data(self, X, y, dtype="numeric")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        names = [str(label) for label in self.classes_.tolist()]
        self.audit_: Audit = audit_labels(
            rows,
            codes,
            class_names=[f"{i}: {name}" for i, name in enumerate(names)],
            groups=groups,
            score=self.score_name,
            probe=self.probe,
            seed=self.seed,
        )
        self.sample_weight_: Array = self.audit_.weights
        self.soft_labels_: Array = self.audit_.soft_labels
        self.is_issue_: Array = self.audit_.table["is_label_issue"].to_numpy()
        return self

    def transform(self, X: npt.ArrayLike) -> Array:
        """Return the rows as they are, so that the auditor can stand in a pipeline."""
        check_is_fitted(self)
        rows: Array = validate_data(self, X, reset=False, dtype="numeric")
        return rows

"""Registered classifiers: fitted to noisy labels, with what they return checked."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from wann_core.errors import WannError
from wann_core.methods.registry import ALL_METHODS
from wann_core.progress import Progress
from wann_core.typing import Array


@dataclass(frozen=True, eq=False)
class ClassifierFit:
    """Predictions of a registered classifier for the test rows.

    Attributes
    ----------
    predictions : ndarray of shape (m,), int64
    confidence : ndarray of shape (m,), float64
        Probability of the predicted class; NaN where the classifier gives none.
    rows : int
        Rows that it was fitted to.
    seconds : float
        Wall time of fit and answers.
    """

    predictions: Array
    confidence: Array
    rows: int
    seconds: float


def fit_classifier(
    name: str,
    X: Array,
    labels: Array,
    X_test: Array,
    *,
    n_classes: int,
    seed: int,
    progress: Progress | None = None,
) -> ClassifierFit:
    """Fit a registered classifier and predict the test rows.

    Parameters
    ----------
    name : str
        One of `registry.CLASSIFIERS`.
    X, X_test : ndarray of shape (n, d) and (m, d), float32
    labels : ndarray of shape (n,), int64
        Noisy class ids.
    n_classes : int
        C.
    seed : int
    progress : callable, optional
        Called before the fit and after it; may raise to stop.

    Raises
    ------
    WannError
        If the classifier fails, or does not return a known class id a row.
    """
    entry = ALL_METHODS[name]
    assert entry.factory is not None
    started = time.perf_counter()
    if progress is not None:
        progress(0, 1, f"fitting {name}")
    try:
        model = entry.factory(seed)
        model.fit(X, labels)
        answers = np.asarray(model.predict(X_test))
        shares = _probabilities(model, X_test)
    except Exception as error:
        raise _fault(name, f"failed with {type(error).__name__}: {error}") from error
    predictions = _checked(name, answers, len(X_test), n_classes)
    confidence = np.full(len(X_test), np.nan)
    if shares is not None:
        classes, table = shares
        if table.shape != (len(X_test), len(classes)):
            expected = f"{len(X_test)} × {len(classes)}"
            raise _fault(name, f"must give probabilities of shape {expected}, got {table.shape}")
        matches = predictions[:, None] == classes
        confidence = np.where(matches.any(axis=1), (table * matches).sum(axis=1), np.nan)
    if progress is not None:
        progress(1, 1, f"fitted {name}")
    return ClassifierFit(predictions, confidence, len(X), time.perf_counter() - started)


def _probabilities(model: Any, X_test: Array) -> tuple[Array, Array] | None:
    """The classes and their probabilities, where there are any."""
    # scikit-learn hides `predict_proba` where it cannot serve, as under a hinge loss.
    if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
        return None
    return np.asarray(model.classes_), np.asarray(model.predict_proba(X_test), np.float64)


def _checked(name: str, answers: Array, rows: int, n_classes: int) -> Array:
    if answers.shape != (rows,):
        raise _fault(name, f"must return {rows} labels, one a row, got shape {answers.shape}")
    if answers.dtype.kind not in "iu":
        raise _fault(name, f"must return class ids, whole numbers, got {answers.dtype}")
    if answers.min() < 0 or answers.max() >= n_classes:
        wrong = answers[(answers < 0) | (answers >= n_classes)][0]
        raise _fault(name, f"must return class ids from 0 to {n_classes - 1}, got {wrong}")
    return answers.astype(np.int64)


def _fault(name: str, what: str) -> WannError:
    text = " ".join(what.split()).rstrip(".")
    return WannError(f"the method {ALL_METHODS[name].described} {text}.", "method")

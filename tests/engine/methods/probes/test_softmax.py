"""Logistic regression for many classes, beside scikit-learn's."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from wann_core.class_table import ClassTable
from wann_core.methods.probes import out_of_fold, softmax
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.methods.probes.softmax import fit_softmax, softmax_probabilities
from wann_core.typing import Array

CLASSES = 300


def rows(n: int, classes: int, columns: int = 6) -> tuple[Array, Array]:
    """Gaussian classes with correlated columns of different scales."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    X = rng.normal(size=(classes, columns))[labels] + 0.6 * rng.normal(size=(n, columns))
    return (X @ rng.normal(size=(columns, columns))).astype(np.float32), labels


def objective(W: Array, X: Array, labels: Array, weights: Array, C: float) -> float:
    odds = X.astype(np.float64) @ W[:-1] + W[-1]
    lost = logsumexp(odds, axis=1) - odds[np.arange(len(X)), labels]
    return float(C * weights @ lost + (W[:-1] ** 2).sum() / 2)


@pytest.mark.parametrize("C", [0.01, 1.0])
def test_minimum_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, C: float) -> None:
    monkeypatch.setattr(softmax, "_BLOCK_VALUES", 0)  # several blocks
    X, labels = rows(600, 5)
    weights = np.random.default_rng(1).random(600)
    model = LogisticRegression(C=C, max_iter=5000, tol=1e-8)
    model.fit(X.astype(np.float64), labels, sample_weight=weights)
    theirs = np.vstack([model.coef_.T, model.intercept_])
    ours = fit_softmax(X, labels, np.arange(600), 5, C, weights=weights)
    least, found = (objective(W, X, labels, weights, C) for W in (theirs, ours))
    assert least <= found <= least * 1.002
    np.testing.assert_allclose(
        softmax_probabilities(X, ours), model.predict_proba(X), atol=0.04, rtol=0
    )


def test_a_class_without_a_row_is_never_answered() -> None:
    X, labels = rows(200, 4)
    weights = (labels != 2).astype(float)
    found = fit_softmax(X, labels, np.flatnonzero(labels != 3), 4, 1.0, weights=weights)
    again = fit_softmax(
        X, labels, np.flatnonzero(labels != 3), 4, 1.0, weights=weights, start=found
    )
    for coefficients in (found, again):
        shares = softmax_probabilities(X, coefficients)
        np.testing.assert_array_equal(shares[:, 2:], 0)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_out_of_fold_with_many_classes_is_sparse_and_sees_no_label_of_its_fold() -> None:
    X, labels = rows(900, CLASSES)
    fits = OutOfFold(X, labels, CLASSES, C=1.0)
    shares = fits.probabilities()
    assert isinstance(shares, ClassTable)
    assert (np.asarray(shares.argmax(axis=1)) == labels).mean() > 0.05  # by chance: 0.003
    np.testing.assert_allclose(np.asarray(shares).sum(axis=1), 1, rtol=1e-4)
    held_out = np.flatnonzero(fits.folds == 2)
    fits.labels = labels.copy()
    fits.labels[held_out] = (labels[held_out] + 1) % CLASSES
    again, best = fits.probabilities(), shares.argmax(axis=1)[held_out]
    np.testing.assert_array_equal(again.argmax(axis=1)[held_out], best)
    np.testing.assert_array_equal(again[held_out, best], shares[held_out, best])


def test_fit_that_is_stopped_goes_on_with_the_next_fold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(out_of_fold, "_WORTH_KEEPING", 0)
    X, labels = rows(900, CLASSES)
    told: list[str] = []

    def stop(done: float, total: float, text: str) -> None:
        told.append(text)
        if "fold 3, step 2" in text:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        OutOfFold(X, labels, CLASSES, stop).probabilities()
    assert told[0] == "logistic regression, choosing C"
    fitted: list[int] = []
    fit = fit_softmax

    def counted(*args: object, **options: object) -> Array:
        fitted.append(1)
        return fit(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(out_of_fold, "fit_softmax", counted)
    monkeypatch.setattr(out_of_fold, "choose_softmax_C", None)
    OutOfFold(X, labels, CLASSES).probabilities()
    assert len(fitted) == 3

"""How many labels are wrong, without knowing the true ones."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine

from tests.helpers.blobs import blobs, evidence
from wann_core import add_noise
from wann_core.audit import audit_labels
from wann_core.noise.rate import estimate_noise
from wann_core.noise.transition import anchor_transition
from wann_core.typing import Array


@pytest.mark.parametrize(
    ("pattern", "ratio"), [("sym", 0.1), ("sym", 0.3), ("asym", 0.2), (None, 0.0)]
)
def test_noise_is_estimated(pattern: str | None, ratio: float) -> None:
    X, y = blobs(3000, apart=4.0)
    rng = np.random.RandomState(0)
    noise = add_noise(y, pattern, ratio, rng=rng, draw="exact")
    found = estimate_noise(evidence(X, noise.labels).near_shares, noise.labels)
    assert abs(found.rate - ratio) < 0.03
    assert found.low <= (noise.labels != y).sum() <= found.high
    np.testing.assert_allclose(found.transition_matrix.sum(axis=1), 1)
    np.testing.assert_allclose(found.transition_matrix, noise.transition_matrix, atol=0.08)


def test_anchor_transition_of_certain_rows() -> None:
    labels = np.repeat([0, 0, 0, 1, 1], 100)
    shares = np.eye(2)[np.repeat([0, 0, 1, 1, 1], 100)]
    # Class 0 is never mislabeled, class 1 in a third of its rows.
    T = anchor_transition(shares, labels, 1.0).table
    np.testing.assert_allclose(T, [[1, 0], [1 / 3, 2 / 3]], atol=2e-3)


def to_the_next(true: Array, share: float, seed: int) -> Array:
    """Labels of which a share is moved to the next class."""
    labels = true.copy()
    wrong = np.random.default_rng(seed).permutation(len(labels))[: int(share * len(labels))]
    labels[wrong] = (labels[wrong] + 1) % (true.max() + 1)
    return labels


def test_few_rows_whose_errors_may_go_one_way_have_both_numbers() -> None:
    X, true = load_wine(return_X_y=True)
    labels = to_the_next(true, 0.2, seed=0)
    wrong = int((labels != true).sum())
    found = audit_labels(X, labels)
    noise = found.noise
    assert noise.low <= wrong <= noise.high
    assert noise.if_not_uniform is not None and abs(noise.if_not_uniform - wrong) < 0.1 * len(true)
    assert any(f"about {noise.if_not_uniform}" in note for note in found.notes)
    assert (labels != true)[found.issues["row"][:30]].all()
    assert audit_labels(X, true).noise.if_not_uniform is None


def test_range_of_few_rows_holds_errors_that_go_one_way() -> None:
    X, true = load_digits(return_X_y=True)
    rows = np.random.default_rng(5).permutation(len(true))[:400]
    labels = to_the_next(true[rows], 0.3, seed=0)
    noise = audit_labels(X[rows], labels).noise
    assert noise.low <= (labels != true[rows]).sum() <= noise.high

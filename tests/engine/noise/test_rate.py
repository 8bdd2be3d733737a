"""How many labels are wrong, without knowing the true ones."""

import numpy as np
import pytest

from tests.helpers.blobs import blobs, evidence
from wann_core import add_noise
from wann_core.noise.rate import estimate_noise
from wann_core.noise.transition import anchor_transition


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

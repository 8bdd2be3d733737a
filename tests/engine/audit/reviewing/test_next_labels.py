"""Which rows to label next."""

import numpy as np
import pytest

from tests.helpers.blobs import N_CLASSES, blobs
from wann_core import WannError, next_to_label


def test_unsure_rows_of_all_regions_come_first() -> None:
    X, true = blobs(600, apart=3.0)
    labels = np.where(np.arange(600) < 60, true.astype(float), np.nan)
    found = next_to_label(X, labels, 40)
    at = found["position"].to_numpy()
    assert len(set(at.tolist())) == 40 and (at >= 60).all()
    everyone = next_to_label(X, labels, 540)
    assert found["uncertainty"].mean() > 1.05 * everyone["uncertainty"].mean()
    assert set(true[at]) == set(range(N_CLASSES))
    assert found["cluster_weight"].is_monotonic_decreasing
    assert (next_to_label(X, labels, 40)["position"] == found["position"]).all()


def test_without_labels_the_rows_are_spread_over_all_there_is() -> None:
    X, true = blobs(300, apart=9.0)
    found = next_to_label(X, [None] * 300, 3 * N_CLASSES)
    assert set(true[found["position"]]) == set(range(N_CLASSES))
    assert (found["uncertainty"] == 1).all() and (found["likeliest_class"] == "").all()


def test_equal_rows_leave_empty_clusters_and_still_so_many_are_chosen() -> None:
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 20, axis=0)
    labels = [None, *["a"] * 4, *[None] * 15, *["b"] * 4, *[None] * 16]
    assert len(set(next_to_label(X, labels, 10)["position"])) == 10


@pytest.mark.parametrize(
    ("labels", "n", "says"),
    [
        (["a"] * 10, 1, "every row has a label"),
        ([None] * 10, 11, "`n` must be"),
        ([None] * 9, 1, r"one row a label \(9\), got 10"),
    ],
)
def test_what_cannot_serve(labels: list[str | None], n: int, says: str) -> None:
    with pytest.raises(WannError, match=says):
        next_to_label(np.random.default_rng(0).normal(size=(10, 3)), labels, n)

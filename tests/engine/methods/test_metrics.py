import math

import numpy as np
import pytest
from sklearn import metrics as sk

from wann_core.errors import WannError
from wann_core.methods.metrics import Metrics, wilson_interval


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learn(seed: int) -> None:
    rng = np.random.RandomState(seed)
    true, predicted = rng.randint(0, 6, 200), rng.randint(0, 6, 200)
    ours = Metrics.of(true, predicted, 6)
    assert np.array_equal(ours.confusion, sk.confusion_matrix(true, predicted))
    assert ours.n == 200
    assert ours.accuracy == pytest.approx(sk.accuracy_score(true, predicted))
    assert ours.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(true, predicted))
    assert ours.macro_f1 == pytest.approx(sk.f1_score(true, predicted, average="macro"))
    np.testing.assert_allclose(ours.recall, sk.recall_score(true, predicted, average=None))


def test_classes_without_rows_count_as_scikit_learn_counts_them() -> None:
    # Class 1 is only predicted, class 3 only exists by name.
    true, predicted = np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0])
    ours = Metrics.of(true, predicted, 4)
    assert ours.confusion.shape == (4, 4)
    assert np.isnan(ours.recall).tolist() == [False, True, False, True]
    assert ours.balanced_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    expected = sk.f1_score(true, predicted, average="macro", zero_division=0)
    assert ours.macro_f1 == pytest.approx(expected)


@pytest.mark.parametrize(("true", "predicted"), [([0, 1], [0]), ([], [])])
def test_scores_need_as_many_predictions_as_labels(true: list[int], predicted: list[int]) -> None:
    with pytest.raises(WannError, match="as many predictions as labels"):
        Metrics.of(np.array(true, int), np.array(predicted, int), 2)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Published worked values of the score interval at 95 %.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (10, 10, 0.7225, 1.0),
    ],
)
def test_wilson_interval_equals_known_values(
    successes: int, n: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_bounds_solve_the_score_equation() -> None:
    n, share = 57, 40 / 57
    for bound in wilson_interval(40, n, z=1.3):
        assert abs(share - bound) / math.sqrt(bound * (1 - bound) / n) == pytest.approx(1.3)


def test_accuracy_interval_is_that_of_the_correct_rows() -> None:
    scores = Metrics.of(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]), 2)
    assert scores.accuracy_interval == wilson_interval(3, 4)

"""Uniform noise is found to be uniform, and counted without sure rows; other noise is not."""

import numpy as np
import pytest

from wann_core import add_noise
from wann_core.noise.human import sign_of_one_way
from wann_core.noise.uniform import MOST_CLASSES, uniform_noise

CLASSES = 5


def opinions(rows: int, sharp: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of some sharpness, and labels drawn from what they are when sharpened by it."""
    rng = np.random.default_rng(0)
    logits = 2.0 * rng.normal(size=(rows, CLASSES))
    true = np.array([rng.choice(CLASSES, p=p) for p in softmax(logits)])
    return softmax(logits / sharp), true


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("sharp", [1.0, 2.0])
def test_uniform_noise_is_counted_however_dull_the_opinion(ratio: float, sharp: float) -> None:
    shares, true = opinions(4000, sharp)
    given = add_noise(
        true, "sym", ratio, rng=np.random.RandomState(1), n_classes=CLASSES, draw="exact"
    ).labels
    found = uniform_noise([shares], given)
    assert found.weight == 1
    assert abs(found.rate - ratio) < max(0.02, 0.05 * ratio)
    assert found.low <= ratio + 0.005 and ratio <= found.high


@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.3])
def test_sources_that_favor_classes_are_no_noise(ratio: float) -> None:
    """One source prefers the first class, one doubts the last, and both see only a part."""
    rng = np.random.default_rng(3)
    logits = 2.0 * rng.normal(size=(6000, CLASSES))
    seen = rng.normal(size=(2, 6000, CLASSES))
    favors = np.zeros((2, 1, CLASSES))
    favors[0, 0, 0], favors[1, 0, -1] = 1.0, -1.5
    true = np.array([rng.choice(CLASSES, p=p) for p in softmax(logits)])
    given = add_noise(
        true, "sym", ratio, rng=np.random.RandomState(1), n_classes=CLASSES, draw="exact"
    ).labels
    found = uniform_noise([softmax(part) for part in logits / 3 + seen / 9 + favors], given)
    assert found.weight == 1
    assert abs(found.rate - ratio) < max(0.01, 0.1 * ratio)


def test_one_sided_noise_is_not_uniform() -> None:
    shares, true = opinions(4000, 1.0)
    given = np.where(np.random.default_rng(1).random(4000) < 0.2, (true + 1) % CLASSES, true)
    found = uniform_noise([shares], given)
    assert (found.weight, found.one_way) == (0, 1)
    assert found.matrix_rate == pytest.approx(0.2, abs=0.02)


def test_only_noise_that_goes_to_one_class_from_each_goes_one_way() -> None:
    uniform = np.ones((5, 5)) - np.eye(5)
    mostly = uniform + 16 * np.roll(np.eye(5), 1, axis=1)  # 17 of 20
    assert [sign_of_one_way(flows) for flows in (uniform, mostly, 0 * uniform)] == [0.0, 1.0, 0.0]
    half = uniform + 2 * np.roll(np.eye(5), 1, axis=1)  # 3 of 6, as people's at most
    assert sign_of_one_way(half) == 0
    assert sign_of_one_way(np.array([[0.0, 9.0], [0.0, 0.0]])) == 0  # of two classes
    # One wrong label goes one way whatever there is.
    one = np.zeros((3, 3))
    one[0, 1] = 1
    assert sign_of_one_way(one) == 0


def test_few_rows_or_many_classes_cannot_tell() -> None:
    shares, true = opinions(100, 1.0)
    assert uniform_noise([shares], true).power == 0
    many = np.full((500, MOST_CLASSES + 1), 1.0)
    assert uniform_noise([many], np.arange(500) % 33).weight == 0

"""Labels flipped on purpose in a whole data set."""

import numpy as np
import pytest

from wann_core import WannError, datasets
from wann_core.noise.known_errors import flip_for_practice
from wann_core.review.ledger import ledger_of


def test_every_split_is_flipped_and_the_truth_kept() -> None:
    data = datasets.load("digits", "pixels")
    noisy = flip_for_practice(data, "sym", 0.3)
    wrong = {name: float((s.y != s.clean).mean()) for name, s in noisy.splits.items()}
    assert set(wrong) == {"train", "test"}
    assert all(0.25 < share < 0.35 for share in wrong.values())
    for name, split in data.splits.items():
        np.testing.assert_array_equal(noisy.splits[name].clean, split.y)
        assert noisy.splits[name].X is split.X
    again = flip_for_practice(data, "sym", 0.3)
    np.testing.assert_array_equal(again.train.y, noisy.train.y)


@pytest.mark.parametrize("pattern", ["sym", "asym", "instance", "similar"])
def test_verdicts_on_them_are_kept_apart(pattern: str) -> None:
    data = datasets.load("digits", "pixels")
    noisy = flip_for_practice(data, pattern, 0.2)
    places = {ledger_of(d).path for d in (data, noisy, flip_for_practice(data, pattern, 0.3))}
    assert len(places) == 3


@pytest.mark.parametrize("ratio", [-0.1, 0.95, 0.0, 0.0001])
def test_a_ratio_that_cannot_serve_is_refused(ratio: float) -> None:
    with pytest.raises(WannError, match="`ratio` must"):
        flip_for_practice(datasets.load("digits", "pixels"), "sym", ratio)

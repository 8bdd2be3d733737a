"""The selection kernels against numpy's own sort."""

import numpy as np
import pytest

from wann_core.neighbors.selection import keep_largest, least_first, sort


@pytest.mark.parametrize("count", [0, 1, 2, 59, 300, 2_000])
@pytest.mark.parametrize("most", [3, 1 << 62])
def test_sort_orders_the_first_keys_alone(count: int, most: int) -> None:
    keys = np.random.default_rng(count).integers(-most, most, count + 5)
    expected = np.concatenate([np.sort(keys[:count]), keys[count:]])
    sort(keys, count)
    np.testing.assert_array_equal(keys, expected)


@pytest.mark.parametrize("wanted", [1, 7, 80])
@pytest.mark.parametrize("most", [3, 1 << 62])
def test_least_first_are_the_least(wanted: int, most: int) -> None:
    keys = np.random.default_rng(wanted).integers(-most, most, 80)
    expected = np.sort(keys)
    least_first(keys, 80, wanted)
    np.testing.assert_array_equal(np.sort(keys[:wanted]), expected[:wanted])
    np.testing.assert_array_equal(np.sort(keys), expected)


@pytest.mark.parametrize("wanted", [1, 7, 90])
def test_keep_largest_keeps_rows_with_their_scores(wanted: int) -> None:
    scores = np.random.default_rng(wanted).integers(0, 30, (1, 80)).astype(np.float32)
    values, kept = scores.copy(), np.arange(80, dtype=np.int32)[None].copy()
    counts, least = np.array([80]), np.zeros(1, np.float32)
    keep_largest(values, kept, counts, least, 0, wanted)
    n = min(wanted, 80)
    assert counts[0] == n
    np.testing.assert_array_equal(np.sort(values[0, :n]), np.sort(scores[0])[80 - n :])
    np.testing.assert_array_equal(scores[0, kept[0, :n]], values[0, :n])
    assert least[0] == values[0, :n].min()

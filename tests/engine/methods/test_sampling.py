import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from wann_core.errors import WannError
from wann_core.methods.sampling import long_tail, subsample


def labels_of(*counts: int) -> np.ndarray:
    """Shuffled labels with so many rows of class 0, of class 1 and so on."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.RandomState(5).permutation(labels)


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.37, 1.0])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_long_tail_counts_follow_the_formula(n_classes: int, ratio: float) -> None:
    labels = labels_of(*[100] * n_classes)
    rows, notes = long_tail(labels, ratio, np.random.RandomState(0))
    expected = [int(100 * ratio ** (c / (n_classes - 1))) for c in range(n_classes)]
    assert np.bincount(labels[rows], minlength=n_classes).tolist() == expected
    assert len(np.unique(rows)) == len(rows)
    assert np.array_equal(labels[rows], np.sort(labels[rows]))  # grouped by class
    assert notes == []


def test_long_tail_draws_as_published() -> None:
    labels, rng = labels_of(50, 60, 70), np.random.RandomState(3)
    expected = []
    for c, keep in enumerate([60, int(60 * 0.1**0.5), 6]):
        of_class = np.flatnonzero(labels == c)
        # Class 0 cannot give the 60 rows of the head: it gives all it has.
        expected.extend(of_class[rng.choice(len(of_class), min(keep, len(of_class)), False)])
    rows, _ = long_tail(labels, 0.1, np.random.RandomState(3))
    assert rows.tolist() == expected


def test_long_tail_keeps_all_rows_of_short_classes_and_says_so() -> None:
    labels = labels_of(10, 90, 15)
    rows, notes = long_tail(labels, 0.8, np.random.RandomState(0))
    # n / C = 38: the head asks for 38, 33, 30 rows.
    assert np.bincount(labels[rows]).tolist() == [10, 33, 15]
    (note,) = notes
    assert "2 of 3 classes" in note


def test_long_tail_of_one_class_keeps_all_rows() -> None:
    rows, notes = long_tail(np.zeros(7, int), 0.1, np.random.RandomState(0))
    assert sorted(rows) == list(range(7))
    assert notes == []


def test_long_tail_ranks_the_classes_that_occur() -> None:
    labels = np.repeat([2, 5], 20)
    rows, _ = long_tail(labels, 0.5, np.random.RandomState(0))
    assert np.bincount(labels[rows]).tolist() == [0, 0, 20, 0, 0, 10]


@pytest.mark.parametrize("ratio", [0, -0.1, 1.1, float("nan")])
def test_long_tail_refuses_other_ratios(ratio: float) -> None:
    with pytest.raises(WannError, match="imbalance_ratio") as caught:
        long_tail(labels_of(5, 5), ratio, np.random.RandomState(0))
    assert caught.value.field == "imbalance_ratio"


def test_long_tail_may_leave_classes_without_rows() -> None:
    labels = np.array([0, 1, 2])
    rows, _ = long_tail(labels, 0.5, np.random.RandomState(0))
    assert labels[rows].tolist() == [0]


@pytest.mark.parametrize("seed", [0, 42])
@pytest.mark.parametrize("size", [4, 50, 196])
def test_subsample_equals_train_test_split(size: int, seed: int) -> None:
    labels = labels_of(100, 50, 30, 20)
    expected, _ = train_test_split(
        np.arange(200), train_size=size, stratify=labels, random_state=seed
    )
    assert np.array_equal(subsample(labels, size, seed), expected)


def test_subsample_of_all_rows_keeps_their_order() -> None:
    assert subsample(np.array([0, 1, 1]), 3, seed=0).tolist() == [0, 1, 2]


@pytest.mark.parametrize("size", [1, 3, 97, 99, 101, 1000])
def test_subsample_out_of_range_names_the_range(size: int) -> None:
    with pytest.raises(WannError) as caught:
        subsample(labels_of(25, 25, 25, 25), size, seed=0)
    assert caught.value.field == "num_subsamples"
    assert f"`num_subsamples` = {size} of 100 rows" in str(caught.value)
    assert "between 4 (one row a class) and 96, or 100 for all" in str(caught.value)


def test_subsample_names_the_class_with_a_single_row() -> None:
    with pytest.raises(WannError, match="class 2 has a single row"):
        subsample(labels_of(20, 20, 1), 10, seed=0)


@pytest.mark.parametrize("size", [0, -5, 2.5])
def test_subsample_needs_a_whole_positive_size(size: float) -> None:
    with pytest.raises(WannError, match="`num_subsamples` must be a whole number of at least 1"):
        subsample(labels_of(20, 20), size, seed=0)  # type: ignore[arg-type]

"""Tables of all rows and many classes, kept sparse."""

import numpy as np
import pytest

from wann_core.class_table import KEPT, ClassTable, class_table

CLASSES = 300


@pytest.fixture
def dense() -> np.ndarray:
    """Shares with ties and zeros."""
    rng = np.random.default_rng(0)
    shares = rng.integers(0, 9, (500, CLASSES)) * (rng.random((500, CLASSES)) < 0.6)
    shares = shares.astype(np.float32) ** 4 + rng.integers(0, 2, (500, 1))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, CLASSES, 500)


def filled(dense: np.ndarray, labels: np.ndarray) -> ClassTable:
    table = class_table(labels, dense.shape[1])
    order = np.random.default_rng(2).permutation(len(dense))
    table[order[:200]] = dense[order[:200]]
    table[order[200:]] = dense[order[200:]]
    return table


def test_largest_shares_and_the_given_label_are_exact(
    dense: np.ndarray, labels: np.ndarray
) -> None:
    table, everyone = filled(dense, labels), np.arange(len(dense))
    largest = np.argsort(-dense, axis=1, kind="stable")[:, :KEPT]
    np.testing.assert_array_equal(table.argmax(axis=1), dense.argmax(axis=1))
    np.testing.assert_array_equal(table[everyone, labels], dense[everyone, labels])
    read = table[:]
    np.testing.assert_array_equal(
        np.take_along_axis(read, largest, 1), np.take_along_axis(dense, largest, 1)
    )
    np.testing.assert_allclose(read.sum(axis=1), 1, atol=1e-5)
    assert (table[everyone[:, None], largest] == read[everyone[:, None], largest]).all()


def test_rest_is_even(dense: np.ndarray, labels: np.ndarray) -> None:
    read = filled(dense, labels)[:]
    for row in range(0, 500, 50):
        kept = {*np.argsort(-dense[row], kind="stable")[:KEPT].tolist(), int(labels[row])}
        others = np.setdiff1d(np.arange(CLASSES), list(kept))
        np.testing.assert_allclose(read[row, others], dense[row, others].mean(), atol=1e-6)


def test_votes_of_up_to_51_neighbors_are_kept_whole(labels: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    votes = np.zeros((500, CLASSES), np.float32)
    for row in votes:
        np.add.at(row, rng.integers(0, CLASSES, 51), 1 / 51)
    table = filled(votes, labels)
    np.testing.assert_allclose(np.asarray(table), votes, atol=1e-9)
    some = labels < 100
    np.testing.assert_array_equal(table.only(some)[:], table[some])


def test_few_classes_are_a_plain_array(labels: np.ndarray) -> None:
    assert isinstance(class_table(labels, 256, np.float64), np.ndarray)

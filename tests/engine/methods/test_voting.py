from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import reference
from wann_core.errors import WannError
from wann_core.methods.voting import adaptive_k, support, vote, vote_shares, votes, winning_share
from wann_core.typing import Array


class Ballot(NamedTuple):
    ids: Array
    labels: Array
    k: int | Array
    weights: Array | None

    def voters(self, row: int) -> Array:
        return self.ids[row, : np.broadcast_to(self.k, len(self.ids))[row]]

    def shares(self, n_classes: int) -> list[list[float]]:
        w = np.ones(len(self.labels)) if self.weights is None else self.weights
        rows = [self.voters(i) for i in range(len(self.ids))]
        sums = [
            [sum(w[j] for j in r if self.labels[j] == c) for c in range(n_classes)] for r in rows
        ]
        return [[s / sum(row) if sum(row) else 0.0 for s in row] for row in sums]


@st.composite
def ballots(draw: st.DrawFn, weighted: bool) -> Ballot:
    """Few classes and few distinct weights, so that ties abound."""
    rng = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 30)), draw(st.integers(0, 12))
    labels = rng.randint(0, draw(st.integers(1, 5)), n)
    columns = draw(st.integers(1, n))
    ids = np.array([rng.permutation(n)[:columns] for _ in range(m)], int).reshape(m, columns)
    k = draw(st.sampled_from([draw(st.integers(1, columns)), rng.randint(1, columns + 1, m)]))
    weights = rng.choice([0, 1 / 11, 1 / 13, 0.5, 1.0], n) if weighted else None
    return Ballot(ids, labels, k, weights)


@given(ballot=ballots(weighted=False))
def test_vote_equals_a_count_with_ties_to_the_lowest_class(ballot: Ballot) -> None:
    expected = [reference.majority(ballot.labels[ballot.voters(i)]) for i in range(len(ballot.ids))]
    assert vote(ballot.ids, ballot.labels, ballot.k).tolist() == expected


@given(ballot=ballots(weighted=True), seed=st.integers(0, 99), count=st.integers(0, 5))
def test_votes_in_one_pass_are_those_of_each_alone(ballot: Ballot, seed: int, count: int) -> None:
    rng = np.random.RandomState(seed)
    m, columns = ballot.ids.shape
    asked = []
    for _ in range(count):
        k = rng.randint(1, columns + 1, m) if rng.rand() < 0.5 else rng.randint(1, columns + 1)
        asked.append((k, ballot.weights if rng.rand() < 0.4 else None))
    found = votes(ballot.ids, ballot.labels, asked)
    alone = [vote(ballot.ids, ballot.labels, *one).tolist() for one in asked]
    assert [one.tolist() for one in found] == alone


@given(ballot=ballots(weighted=True))
def test_weighted_vote_equals_sums_with_ties_to_the_class_met_first(ballot: Ballot) -> None:
    assert ballot.weights is not None
    voters = [ballot.voters(i) for i in range(len(ballot.ids))]
    expected = [reference.weighted_majority(ballot.labels[v], ballot.weights[v]) for v in voters]
    assert vote(*ballot).tolist() == expected


@pytest.mark.parametrize("weighted", [False, True])
@given(data=st.data(), extra=st.integers(0, 3))
def test_shares_equal_a_plain_sum(weighted: bool, data: st.DataObject, extra: int) -> None:
    ballot = data.draw(ballots(weighted))
    n_classes = int(ballot.labels.max()) + 1 + extra
    shares = vote_shares(*ballot, n_classes=n_classes)
    assert shares.shape == (len(ballot.ids), n_classes)
    np.testing.assert_allclose(shares, np.reshape(ballot.shares(n_classes), shares.shape))
    assert np.array_equal(vote_shares(*ballot), shares[:, : n_classes - extra])


@pytest.mark.parametrize("weighted", [False, True])
@given(data=st.data())
def test_winning_share_is_the_largest_of_the_shares(weighted: bool, data: st.DataObject) -> None:
    ballot = data.draw(ballots(weighted))
    if len(ballot.ids):
        largest = vote_shares(*ballot).max(axis=1)
        assert winning_share(*ballot).tolist() == largest.tolist()


@pytest.mark.parametrize("n_classes", [3, 300])
def test_support_is_the_share_of_the_own_label(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    labels, ids = rng.integers(0, n_classes, 400), rng.integers(0, 400, (50, 9))
    labels[0] = n_classes - 1
    expected = (labels[ids[:, :7]] == labels[:50, None]).mean(axis=1)
    assert support(ids, labels, labels[:50], 7).tolist() == expected.tolist()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), bounds=st.data())
def test_adaptive_k_equals_a_plain_loop(seed: int, n: int, bounds: st.DataObject) -> None:
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, rng.randint(1, 6), n)
    ids = np.array([rng.permutation(np.delete(np.arange(n), i)) for i in range(n)])
    k_max = bounds.draw(st.integers(1, n - 1))
    k_min = bounds.draw(st.integers(1, k_max))
    result = adaptive_k(ids, labels, k_min, k_max)
    assert result.dtype == np.int32
    assert result.tolist() == reference.adaptive_k(ids, labels, k_min, k_max).tolist()


def test_adaptive_k_tries_odd_steps_below_the_maximum() -> None:
    # Row 0 is of class 1; among its neighbors class 1 leads from the 4th on, at k = 5.
    labels = np.array([1, 0, 1, 0, 1, 1, 1, 0])
    ids = np.tile([1, 2, 3, 4, 5, 6, 7], (8, 1))
    tried = {(1, 7): 5, (1, 6): 5, (1, 5): 5, (1, 3): 3, (2, 7): 6, (5, 5): 5, (6, 7): 6, (7, 7): 7}
    for (k_min, k_max), expected in tried.items():
        assert adaptive_k(ids, labels, k_min, k_max)[0] == expected


def test_adaptive_k_needs_neighbors_up_to_the_largest_value_tried_only() -> None:
    # 1, 3, 5 are tried below 7; five columns serve, four do not.
    ids, labels = np.tile(np.arange(5), (6, 1)), np.arange(6)
    assert adaptive_k(ids, labels, 1, 7).max() == 7
    with pytest.raises(WannError, match="`k_max` = 7 needs 5 neighbors a row, `train_ids` has 4"):
        adaptive_k(ids[:, :4], labels, 1, 7)


def test_weighted_sums_are_accumulated_from_nearest_to_farthest() -> None:
    # 0.1 + 0.2 + 0.3 > 0.6 = 0.3 + 0.2 + 0.1 in float64: the order decides.
    weights = np.array([0.1, 0.2, 0.3, 0.6])
    labels = np.array([1, 1, 1, 0])
    assert vote(np.array([[3, 0, 1, 2], [3, 2, 1, 0]]), labels, 4, weights).tolist() == [1, 0]


def test_weighted_tie_goes_to_the_nearest_class_unweighted_to_the_lowest() -> None:
    ids, labels = np.array([[0, 1]]), np.array([3, 2])
    assert vote(ids, labels, 2, np.array([0.5, 0.5])).tolist() == [3]
    assert vote(ids, labels, 2).tolist() == [2]


def test_votes_that_weigh_nothing_go_to_the_nearest_and_share_nothing() -> None:
    ids, labels, weights = np.array([[2, 0, 1]]), np.array([0, 1, 2]), np.zeros(3)
    assert vote(ids, labels, 3, weights).tolist() == [2]
    assert vote_shares(ids, labels, 3, weights).tolist() == [[0, 0, 0]]


IDS, LABELS = np.array([[0, 1], [2, 1]]), np.array([0, 1, 1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ids": np.array([[0, 3]])}, r"must lie in 0\.\.2, got 0\.\.3"),
        ({"ids": np.array([[-1, 0]])}, r"must lie in 0\.\.2, got -1\.\.0"),
        ({"ids": np.array([[2**32, 0]])}, r"must lie in 0\.\.2"),
        ({"ids": np.array([[0.0, 1.0]])}, "ids must be integers"),
        ({"ids": np.array([0, 1])}, "ids must be integers"),
        ({"ids": np.zeros((2, 0), int)}, "ids must be integers"),
        ({"labels": np.array([0, -1, 1])}, "`labels` must be class ids from 0"),
        ({"labels": np.array([0, 1 << 24, 1])}, "`labels` must be class ids from 0"),
        ({"labels": np.array([0.0, 1.0, 1.0])}, "`labels` must be integers"),
        ({"labels": np.array([[0], [1], [1]])}, "`labels` must be integers"),
        ({"labels": np.array([], int)}, "`labels` must be integers"),
        ({"k": 0}, r"`k` must be between 1 and 2, got 0\.\.0"),
        ({"k": 3}, r"`k` must be between 1 and 2, got 3\.\.3"),
        ({"k": np.array([1, 3])}, r"`k` must be between 1 and 2, got 1\.\.3"),
        ({"k": np.array([1, 2, 1])}, r"one whole number or one a row \(2\)"),
        ({"k": 1.0}, "`k` must be one whole number or one a row"),
        ({"weights": np.ones(2)}, "`weights` must be 3 finite numbers"),
        ({"weights": np.array([1, np.nan, 1])}, "`weights` must be 3 finite numbers"),
        ({"weights": np.array([1, np.inf, 1])}, "`weights` must be 3 finite numbers"),
        ({"weights": np.array([1, -0.1, 1])}, "none below 0"),
    ],
)
@pytest.mark.parametrize("function", [vote, vote_shares])
def test_what_does_not_fit_is_refused(function: Any, change: dict[str, Any], sentence: str) -> None:
    asked = {"ids": IDS, "labels": LABELS, "k": 1, "weights": None, **change}
    with pytest.raises(WannError, match=sentence):
        function(*asked.values())


def test_support_refuses_fewer_own_labels_than_rows() -> None:
    with pytest.raises(WannError, match=r"`observed` must have a label per row \(3\)"):
        support(np.zeros((3, 1), np.int64), np.array([0, 1]), np.array([0]), 1)


def test_shares_refuse_fewer_columns_than_classes() -> None:
    with pytest.raises(WannError, match="`n_classes` must be a whole number of at least 2, got 1"):
        vote_shares(IDS, LABELS, 1, n_classes=1)


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ((0, 3), "`k_min` must be a whole number between 1 and 3, got 0"),
        ((4, 3), "`k_min` must be a whole number between 1 and 3, got 4"),
        ((1, 0), "`k_max` must be a whole number of at least 1, got 0"),
        ((1.5, 3), "`k_min` must be a whole number"),
    ],
)
def test_adaptive_k_refuses_bounds(bounds: tuple[Any, Any], sentence: str) -> None:
    with pytest.raises(WannError, match=sentence):
        adaptive_k(np.array([[1, 2], [0, 2], [1, 0]]), LABELS, *bounds)


def test_adaptive_k_needs_a_row_per_label() -> None:
    with pytest.raises(WannError, match=r"`train_ids` must have a row per label \(3\), got 2"):
        adaptive_k(IDS, LABELS, 1, 1)


def test_any_integer_types_will_do() -> None:
    expected = vote(IDS, LABELS, 2).tolist()
    assert vote(IDS.astype(np.uint8), LABELS.astype(np.uint16), np.int8(2)).tolist() == expected
    assert vote(IDS[:, ::-1][:, ::-1], np.repeat(LABELS, 2)[::2], 2).tolist() == expected


@pytest.mark.parametrize("n", [4095, 4096, 4097, 10_000])
def test_every_slice_of_rows_is_answered(n: int) -> None:
    rng = np.random.RandomState(n)
    ids, labels = rng.randint(0, n, (n, 3)), rng.randint(0, 4, n)
    assert np.array_equal(vote(ids, labels, 1), labels[ids[:, 0]])
    expected = np.where(labels == labels[ids[:, 0]], 1, 2)
    assert np.array_equal(adaptive_k(ids, labels, 1, 2), expected)
    assert np.array_equal(vote_shares(ids, labels, 1).argmax(axis=1), labels[ids[:, 0]])


def test_many_threads_at_once_get_equal_answers() -> None:
    # Above 4,096 rows a call spreads over a pool that all callers share.
    rng = np.random.RandomState(0)
    ids, labels, weights = rng.randint(0, 500, (20_000, 15)), rng.randint(0, 9, 500), rng.rand(500)
    k = rng.randint(1, 16, 20_000)
    expected = vote(ids, labels, k, weights), vote_shares(ids, labels, k, weights)
    assert np.array_equal(expected[0], expected[1].argmax(axis=1))
    with ThreadPoolExecutor(12) as threads:
        votes = [threads.submit(vote, ids, labels, k, weights) for _ in range(24)]
        shares = [threads.submit(vote_shares, ids, labels, k, weights) for _ in range(24)]
        assert all(np.array_equal(task.result(), expected[0]) for task in votes)
        assert all(np.array_equal(task.result(), expected[1]) for task in shares)

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wann_core.errors import WannError
from wann_core.neighbors.graph import NeighborGraph, nearest
from wann_core.typing import Array


def brute_force(query: Array, train: Array, k: int, own: int | None = None) -> tuple[Array, Array]:
    """Ids and distances of one row, in float64; equal distances: lowest id first."""
    differences = train.astype(np.float64) - query.astype(np.float64)
    distances = np.sqrt((differences**2).sum(axis=1))
    ids = np.argsort(distances, kind="stable")
    ids = ids[ids != own][:k]
    return ids, distances[ids]


def check_row(ids: Array, distances: Array, query: Array, train: Array, **own: int) -> None:
    expected_ids, expected_distances = brute_force(query, train, ids.shape[0], **own)
    assert ids.tolist() == expected_ids.tolist()
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-6)


def check_graph(graph: NeighborGraph, train: Array, test: Array, k: int) -> None:
    assert graph.train_ids.shape == (len(train), min(k, len(train) - 1))
    for i, row in enumerate(train):
        check_row(graph.train_ids[i], graph.train_distances[i], row, train, own=i)
    assert graph.test_ids is not None and graph.test_distances is not None
    assert graph.test_ids.shape == (len(test), min(k, len(train)))
    for i, row in enumerate(test):
        check_row(graph.test_ids[i], graph.test_distances[i], row, train)


def gaussian(n: int, d: int, seed: int = 0) -> Array:
    return np.random.RandomState(seed).randn(n, d)


DRAWN = np.random.RandomState(1)
DATA = {
    "gaussian": (gaussian(300, 16), gaussian(50, 16, 2)),
    "many exact duplicates": (gaussian(30, 8)[DRAWN.randint(0, 30, 400)], gaussian(30, 8)),
    "integers with many ties": (DRAWN.randint(0, 3, (400, 4)), DRAWN.randint(0, 3, (50, 4))),
    "one row many times": (np.ones((700, 2)), np.ones((2, 2))),
    "one column": (DRAWN.randint(0, 50, (200, 1)) / 4, DRAWN.randint(0, 50, (20, 1)) / 4),
    "two rows": (gaussian(2, 3), gaussian(4, 3, 2)),
    "few rows": (gaussian(9, 3), gaussian(4, 3, 2)),
    "columns of very unlike scale": (
        gaussian(200, 6) * np.geomspace(1e-3, 1e3, 6),
        gaussian(20, 6, 2) * 1e3,
    ),
    "near duplicates": (
        gaussian(20, 8)[DRAWN.randint(0, 20, 300)] + 1e-4 * gaussian(300, 8),
        gaussian(20, 8),
    ),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", DATA)
def test_graph_equals_brute_force(name: str, dtype: type) -> None:
    train, test = (X.astype(dtype) for X in DATA[name])
    check_graph(NeighborGraph.build(train, test, k=51), train, test, 51)


@pytest.mark.parametrize(
    ("dtype", "offset"), [(np.float32, 1e4), (np.float64, 1e4), (np.float64, 1e9)]
)
@pytest.mark.parametrize("where", ["all columns", "a test row far away"])
def test_large_offsets_cost_no_accuracy(dtype: type, offset: float, where: str) -> None:
    train, test = gaussian(300, 8), gaussian(20, 8, 2)
    if where == "all columns":
        train, test = train + offset, test + offset
    else:
        test[0] += offset
    train, test = train.astype(dtype), test.astype(dtype)
    check_graph(NeighborGraph.build(train, test, k=20), train, test, 20)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.bool_])
def test_whole_numbers_are_searched_too(dtype: type) -> None:
    train, test = (X.astype(dtype) for X in DATA["integers with many ties"])
    graph = NeighborGraph.build(train, test, k=11)
    check_graph(graph, train.astype(float), test.astype(float), 11)


@given(
    train=hnp.arrays(
        np.int64, st.tuples(st.integers(2, 40), st.just(2)), elements=st.integers(-3, 3)
    ),
    test=hnp.arrays(
        np.int64, st.tuples(st.integers(0, 6), st.just(2)), elements=st.integers(-3, 3)
    ),
    k=st.integers(1, 50),
    dtype=st.sampled_from([np.float32, np.float64, np.int64]),
)
def test_small_integer_matrices(train: Array, test: Array, k: int, dtype: type) -> None:
    graph = NeighborGraph.build(train.astype(dtype), test.astype(dtype), k=k)
    check_graph(graph, train, test, k)


def test_rows_of_every_batch_find_their_own_neighbors() -> None:
    # More rows than one call to faiss takes: own ids and results are offset batch by batch.
    train, test = gaussian(9000, 4).astype(np.float32), gaussian(9000, 4, 2).astype(np.float32)
    graph = NeighborGraph.build(train, test, k=5)
    assert graph.test_ids is not None and graph.test_distances is not None
    for i in [0, 511, 512, 2047, 2048, 4095, 4096, 8191, 8192, 8999]:
        check_row(graph.train_ids[i], graph.train_distances[i], train[i], train, own=i)
        check_row(graph.test_ids[i], graph.test_distances[i], test[i], train)
    assert not (graph.train_ids == np.arange(9000)[:, None]).any()


def test_more_equal_rows_than_the_first_candidates_hold() -> None:
    # 1,000 rows tie at every distance: only repeated widening finds the lowest ids.
    train = np.tile([[0.0, 3.0], [4.0, 0.0], [0.0, 0.0]], (1000, 1))
    graph = NeighborGraph.build(train, [[0.0, 0.0]], k=40)
    assert graph.test_ids is not None
    assert graph.test_ids[0].tolist() == list(range(2, 120, 3))
    assert graph.train_ids[2].tolist() == list(range(5, 125, 3))
    assert graph.train_ids[2999].tolist() == list(range(2, 120, 3))


# Large enough that faiss multiplies matrices, ‖x‖² + ‖y‖² - 2xy in float32, with its rounding.
MANY, WIDE = 4200, 32
WHICH = np.random.RandomState(3).randint(0, 60, MANY)
LARGE = {
    "gaussian": gaussian(MANY, WIDE),
    "many exact duplicates": gaussian(200, WIDE)[np.random.RandomState(4).randint(0, 200, MANY)],
    "integers with many ties": np.random.RandomState(5).randint(0, 2, (MANY, WIDE)),
    "tight crowds": 30 * gaussian(60, WIDE)[WHICH] + 0.003 * gaussian(MANY, WIDE, 2),
    "loose crowds": 30 * gaussian(60, WIDE)[WHICH] + 0.02 * gaussian(MANY, WIDE, 2),
}


@pytest.mark.parametrize("name", LARGE)
def test_rounding_of_the_matrix_product_loses_no_neighbor(name: str) -> None:
    rows = LARGE[name].astype(np.float32)
    graph = NeighborGraph.build(rows, rows[::-1], k=5)
    assert graph.test_ids is not None and graph.test_distances is not None
    for i in range(0, MANY, 70):
        check_row(graph.train_ids[i], graph.train_distances[i], rows[i], rows, own=i)
        check_row(graph.test_ids[i], graph.test_distances[i], rows[MANY - 1 - i], rows)


def test_offset_does_not_exhaust_the_candidates() -> None:
    # In float32 these rows are all equal, and there are more of them than candidates are fetched.
    train = gaussian(5000, 4) + 1e9
    graph = NeighborGraph.build(train, k=5)
    for i in range(0, 5000, 500):
        check_row(graph.train_ids[i], graph.train_distances[i], train[i], train, own=i)


def test_types_and_bytes() -> None:
    graph = NeighborGraph.build(gaussian(10, 2), gaussian(4, 2), k=3)
    assert graph.test_ids is not None and graph.test_distances is not None
    assert (graph.train_ids.dtype, graph.test_ids.dtype) == (np.int32, np.int32)
    assert (graph.train_distances.dtype, graph.test_distances.dtype) == (np.float32, np.float32)
    assert graph.nbytes == (10 + 4) * 3 * 8


def test_without_test_rows() -> None:
    train = gaussian(20, 3)
    graph = NeighborGraph.build(train, k=4)
    assert (graph.test_ids, graph.test_distances) == (None, None)
    check_row(graph.train_ids[7], graph.train_distances[7], train[7], train, own=7)
    none = NeighborGraph.build(train, train[:0], k=4)
    assert none.test_ids is not None and none.test_ids.shape == (0, 4)
    assert np.array_equal(none.train_ids, graph.train_ids)


@pytest.mark.parametrize("k", [1, 7, 500])
def test_nearest_equals_the_test_part_of_a_graph(k: int) -> None:
    train, test = DATA["many exact duplicates"]
    graph, (ids, distances) = NeighborGraph.build(train, test, k=k), nearest(test, train, k)
    assert np.array_equal(ids, graph.test_ids)
    assert np.array_equal(distances, graph.test_distances)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_input_is_never_modified(dtype: type, order: Any) -> None:
    train = np.array(gaussian(60, 4) + 100, dtype, order=order)
    test = np.array(gaussian(10, 4) + 100, dtype, order=order)
    copies = train.copy(), test.copy()
    for array in (train, test):
        array.setflags(write=False)
    NeighborGraph.build(train, test, k=5)
    assert np.array_equal(train, copies[0])
    assert np.array_equal(test, copies[1])


GOOD = np.zeros((4, 2))


def spoiled(value: float) -> Array:
    bad = GOOD.copy()
    bad[2, 1] = value
    return bad


@pytest.mark.parametrize(
    ("train", "test", "k", "sentence"),
    [
        (spoiled(np.nan), None, 1, "`X_train` must hold finite numbers"),
        (spoiled(np.inf), None, 1, "`X_train` must hold finite numbers"),
        (spoiled(-np.inf), None, 1, "`X_train` must hold finite numbers"),
        (spoiled(1e16), None, 1, "`X_train` must hold finite numbers below 1e15"),
        (GOOD, spoiled(np.nan), 1, "`X_test` must hold finite numbers"),
        (GOOD, spoiled(-np.inf), 1, "`X_test` must hold finite numbers"),
        (GOOD[:1], None, 1, "at least 2 training rows, got n_samples = 1"),
        (GOOD[:0], None, 1, "at least 2 training rows, got n_samples = 0"),
        (GOOD, np.zeros((3, 5)), 1, "`X_test` must have the 2 columns of `X_train`, got 5"),
        (GOOD[:, :0], None, 1, "`X_train` must be a table of numbers"),
        (GOOD[0], None, 1, "`X_train` must be a table of numbers"),
        ([["a", "b"]] * 3, None, 1, "`X_train` must be a table of numbers"),
        (GOOD, None, 0, "`k` must be a whole number of at least 1, got 0"),
        (GOOD, None, 1.5, "`k` must be a whole number of at least 1, got 1.5"),
    ],
)
def test_what_cannot_be_searched_is_refused(train: Any, test: Any, k: Any, sentence: str) -> None:
    with pytest.raises(WannError, match=sentence):
        NeighborGraph.build(train, test, k=k)


def test_nearest_refuses_other_columns() -> None:
    with pytest.raises(WannError, match="`X_query` must have the 2 columns of `X_train`, got 3"):
        nearest(np.zeros((1, 3)), GOOD, 1)


def test_progress_rises_to_the_number_of_rows() -> None:
    told: list[tuple[float, float]] = []
    train, test = gaussian(9000, 2), gaussian(5000, 2)
    NeighborGraph.build(train, test, k=1, progress=lambda done, all_, _: told.append((done, all_)))
    done, totals = zip(*told, strict=True)
    assert set(totals) == {14_000}
    assert list(done) == sorted(set(done))
    assert done[-1] == 14_000
    assert 9000 in done


def test_progress_may_stop_the_search() -> None:
    told: list[float] = []

    def stop(done: float, total: float, text: str) -> None:
        told.append(done)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        NeighborGraph.build(gaussian(9000, 2), k=1, progress=stop)
    assert len(told) == 1
    assert told[0] < 9000

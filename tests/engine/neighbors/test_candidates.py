"""Candidates by tiles against brute force in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wann_core.neighbors import candidates
from wann_core.neighbors.cells import Cells, CellTiles
from wann_core.typing import Array


def check(queries: Array, rows: Array, wanted: int, found: tuple[Array, Array]) -> None:
    squares, ids = found
    assert squares.shape == ids.shape == (len(queries), wanted)
    true = ((queries[:, None].astype(float) - rows[None]) ** 2).sum(axis=2)
    size = (queries**2.0).sum(axis=1)[:, None] + (rows**2.0).sum(axis=1).max()
    rounding = 1e-5 * size
    assert all(len(set(row)) == wanted for row in ids)
    assert (np.diff(squares, axis=1) >= 0).all()
    assert (np.abs(squares - np.take_along_axis(true, ids, axis=1)) <= rounding).all()
    # As near as the nearest there are: nothing nearer was left out.
    assert (np.abs(squares - np.sort(true, axis=1)[:, :wanted]) <= rounding).all()


def nearest(queries: Array, rows: Array, wanted: int) -> tuple[Array, Array]:
    return candidates.nearest(queries, candidates.tiles(rows), wanted)


@settings(deadline=None)
@given(
    rows=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 200), st.integers(1, 5)),
        elements=st.integers(-8, 8) | st.floats(-100, 100, width=32),
    ),
    data=st.data(),
)
def test_few_rows(rows: Array, data: st.DataObject) -> None:
    wanted = data.draw(st.integers(1, len(rows)))
    check(rows[:7], rows, wanted, nearest(rows[:7], rows, wanted))


@settings(deadline=None)
@given(
    rows=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 300), st.integers(1, 5)),
        elements=st.integers(-8, 8) | st.floats(-100, 100, width=32),
    ),
    of_row=st.lists(st.integers(0, 6), min_size=300, max_size=300),
    data=st.data(),
)
def test_cells_within_boundless_reach_hold_all_candidates(
    rows: Array, of_row: list[int], data: st.DataObject
) -> None:
    wanted = data.draw(st.integers(1, len(rows)))
    cells = Cells(rows[np.arange(7) % len(rows)], np.array(of_row[: len(rows)], np.int32))
    # A last candidate at distance 0 reaches nowhere, however far it would.
    queries = rows[:7] + np.float32(0.5)
    found = CellTiles(rows, cells).nearest(queries, cells.distances(queries), 1e6, wanted)
    check(queries, rows, wanted, found)


MANY = {
    "in no order": np.random.RandomState(0).randn(9000, 12),
    # The tiles looked through first promise more than the others hold.
    "in order": np.sort(np.random.RandomState(1).randn(9000, 12), axis=0),
    "first tiles alike": np.where(np.arange(9000)[:, None] // 64 % 16 == 0, 0.001, 5.0)
    * np.random.RandomState(2).randn(9000, 12),
    "equal rows": np.ones((9000, 12)),
    "few different rows": np.random.RandomState(3).randn(5, 12)[np.arange(9000) % 5],
}


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("wanted", [1, 60, 700])
def test_many_rows(name: str, wanted: int) -> None:
    rows = MANY[name].astype(np.float32)
    check(rows[::60], rows, wanted, nearest(rows[::60], rows, wanted))


def test_answers_do_not_depend_on_threads() -> None:
    rows = MANY["in no order"].astype(np.float32)
    tiled = candidates.tiles(rows)
    first = candidates.nearest(rows[:1000], tiled, 50)
    for _ in range(3):
        again = candidates.nearest(rows[:1000], tiled, 50)
        assert np.array_equal(again[0], first[0])
        assert np.array_equal(again[1], first[1])

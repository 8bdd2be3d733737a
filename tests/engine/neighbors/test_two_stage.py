"""Faster searches against the flat one, which is checked against brute force."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ui.shell import sentences
from wann_core import Scenario, prepare
from wann_core.datasets import Split, database
from wann_core.errors import WannError
from wann_core.neighbors import cells as clustered
from wann_core.neighbors import plan as search_plan
from wann_core.neighbors.cells import Cells
from wann_core.neighbors.exact import Flat
from wann_core.neighbors.graph import NeighborGraph
from wann_core.neighbors.two_stage import Rotation, TwoStage, narrow
from wann_core.typing import Array

ROWS, COLUMNS, K = 4000, 64, 10


def embedded(rows: int = ROWS, seed: int = 0) -> Array:
    """Rows near an 8-dimensional plane, as float32."""
    rng = np.random.RandomState(seed)
    plane = np.random.RandomState(9).randn(8, COLUMNS)
    return np.asarray(rng.randn(rows, 8) @ plane + 0.05 * rng.randn(rows, COLUMNS), np.float32)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan is made for few rows too, of which candidates are a larger part; without cells."""
    monkeypatch.setattr(search_plan, "_ROWS", 1000)
    monkeypatch.setattr(search_plan, "_VALUES", 1)
    monkeypatch.setattr(search_plan, "_CANDIDATE_COST", 800)
    monkeypatch.setattr(search_plan, "_CELL_COST", 1e9)


@pytest.fixture
def in_cells(eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And cells are taken wherever they find what they must."""
    monkeypatch.setattr(search_plan, "_CELL_COST", 0.01)
    monkeypatch.setattr(clustered, "_CELL_ROWS", 60)


def recall(found: Array, exact: Array) -> float:
    both = zip(exact, found, strict=True)
    return float(np.mean([np.isin(one, other).mean() for one, other in both]))


def check_fields(graph: NeighborGraph, method: str, least: float) -> None:
    assert graph.method == method
    assert least <= graph.recall <= 1
    assert graph.recall_rows >= 80


@pytest.mark.slow
def test_two_stages_are_taken_where_leading_dimensions_hold_the_distances(eager: None) -> None:
    train, test = embedded(), embedded(700, 1)
    graph = NeighborGraph.build(train, test, k=K)
    exact = NeighborGraph.build(train, test, k=K, search="flat")
    check_fields(graph, "two-stage", 0.9999)
    assert (exact.method, exact.recall, exact.recall_rows, exact.certified) == ("flat", 1, 0, 1)
    assert exact.test_ids is not None and graph.test_ids is not None
    assert recall(graph.train_ids, exact.train_ids) >= 0.9998
    assert recall(graph.test_ids, exact.test_ids) >= 0.9998
    same = (graph.train_ids == exact.train_ids).all(axis=1)
    assert np.array_equal(graph.train_distances[same], exact.train_distances[same])
    assert same.mean() >= graph.certified - 0.1


def test_isotropic_rows_are_searched_flat(eager: None) -> None:
    graph = NeighborGraph.build(np.random.RandomState(0).randn(ROWS, COLUMNS), k=K)
    assert (graph.method, graph.recall, graph.recall_rows) == ("flat", 1.0, 0)


HARD = {
    "duplicates": embedded(200)[np.random.RandomState(2).randint(0, 200, ROWS)],
    "constant offset": embedded() + np.float32(1e4),
    "integers with heavy ties": np.random.RandomState(3).randint(0, 2, (ROWS, COLUMNS)) * 1.0,
    "one row many times": np.ones((2000, COLUMNS)),
    "few rows": embedded(40),
    "one row far away": np.concatenate([embedded(), np.full((1, COLUMNS), 1e6)]),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_rows_get_the_recall_that_is_claimed(eager: None, name: str) -> None:
    rows = HARD[name]
    graph = NeighborGraph.build(rows, k=K)
    exact = NeighborGraph.build(rows, k=K, search="flat")
    assert graph.method in ("flat", "two-stage")
    assert recall(graph.train_ids, exact.train_ids) >= 0.9998
    if graph.method == "flat":
        assert np.array_equal(graph.train_ids, exact.train_ids)


def test_unreached_recall_means_flat_search(eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = search_plan._Space.cheapest

    def counted(self: Any, sample: Any) -> Any:
        asked.append(len(sample.ids))
        return original(self, sample)

    monkeypatch.setattr(search_plan._Space, "cheapest", counted)
    monkeypatch.setattr(search_plan.Sample, "recall", lambda self, found: 0.9998)
    graph = NeighborGraph.build(embedded(), k=K)
    assert (graph.method, graph.recall) == ("flat", 1.0)
    # The second attempt knows the sample on which the first one failed.
    assert len(asked) == 2
    assert asked[0] < asked[1]


@pytest.mark.slow
@settings(deadline=None)
@given(
    rows=hnp.arrays(
        np.float64,
        st.tuples(st.integers(60, 90), st.just(6)),
        elements=st.integers(-20, 20).map(lambda i: i / 4) | st.floats(-1e3, 1e3, width=32),
    ),
    size=st.integers(1, 5),
    candidates=st.integers(1, 60),
    k=st.integers(1, 12),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_certified_rows_are_those_of_flat_search(
    rows: Array, size: int, candidates: int, k: int, dtype: type
) -> None:
    flat = Flat(rows.astype(dtype))
    rotation = Rotation.fit(flat.train, flat.mean, 5)
    leading = rotation.project(flat.train, size)
    own = np.arange(len(rows))
    (ids, distances), certified = TwoStage(flat, rotation, leading, candidates).search(
        rows.astype(dtype), k, own
    )
    exact_ids, exact_distances = flat.search(rows.astype(dtype), k, own)
    assert np.array_equal(ids[certified], exact_ids[certified])
    assert np.array_equal(distances[certified], exact_distances[certified])
    # What was not found lies no nearer than what was.
    assert (distances >= exact_distances).all()
    assert not (ids == own[:, None]).any()


def test_all_rows_are_certified_where_few_are_searched_again() -> None:
    flat = Flat(embedded())
    rotation = Rotation.fit(flat.train, flat.mean, 16)
    search = TwoStage(flat, rotation, rotation.project(flat.train, 16), 60)
    (ids, distances), certified = search.search(flat.train, K, np.arange(ROWS))
    exact = flat.search(flat.train, K, np.arange(ROWS))
    assert certified.all()
    assert np.array_equal(ids, exact[0])
    assert np.array_equal(distances, exact[1])


@pytest.mark.parametrize("size", [1, 5, 16])
def test_distances_of_projected_rows_are_lower_bounds(size: int) -> None:
    rows = HARD["one row far away"][-300:]
    flat = Flat(rows)
    rotation = Rotation.fit(flat.train, flat.mean, 16)
    leading = rotation.project(rows, size).astype(np.float64)
    assert leading.shape == (300, size + 1)
    wide = narrow(rotation.project(rows, 16), size)
    np.testing.assert_allclose(wide, leading, rtol=1e-4, atol=1e-6 * np.abs(leading).max())

    def squares(a: Array) -> Array:
        return np.asarray(((a[:, None] - a[None]) ** 2).sum(axis=2))

    true = squares(rows.astype(np.float64))
    norms = (leading**2).sum(axis=1)
    assert (squares(leading) <= true + 1e-6 * (norms[:, None] + norms)).all()


def test_cells_are_taken_where_they_are_cheaper(in_cells: None) -> None:
    rng = np.random.RandomState(4)
    centers = 3 * rng.randn(120, COLUMNS)
    train = (centers[rng.randint(0, 120, ROWS)] + 0.1 * embedded()).astype(np.float32)
    test = (centers[rng.randint(0, 120, 300)] + 0.1 * embedded(300, 1)).astype(np.float32)
    graph = NeighborGraph.build(train, test, k=K)
    exact = NeighborGraph.build(train, test, k=K, search="flat")
    check_fields(graph, "IVF", 0.9999)
    assert graph.certified == 0
    assert recall(graph.train_ids, exact.train_ids) >= 0.9995
    assert graph.test_ids is not None and exact.test_ids is not None
    assert recall(graph.test_ids, exact.test_ids) >= 0.9995
    same = (graph.train_ids == exact.train_ids).all(axis=1)
    assert np.array_equal(graph.train_distances[same], exact.train_distances[same])


def test_where_cells_fail_all_rows_are_looked_through(
    in_cells: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        search_plan.Sample, "recall", lambda self, found: 0.9998 if Cells in made else 1.0
    )
    made: list[type] = []
    original = search_plan._Space.cheapest

    def watched(self: Any, sample: Any) -> Any:
        found = original(self, sample)
        made[:] = [type(found.cells)]
        return found

    monkeypatch.setattr(search_plan._Space, "cheapest", watched)
    assert NeighborGraph.build(embedded(), k=K).method == "two-stage"


@pytest.mark.parametrize("reach", [0.01, 1.3, 1e9])
def test_search_of_cells(monkeypatch: pytest.MonkeyPatch, reach: float) -> None:
    monkeypatch.setattr(clustered, "_CELL_ROWS", 60)
    flat = Flat(embedded(3000))
    rotation = Rotation.fit(flat.train, flat.mean, 16)
    leading = rotation.project(flat.train, 16)
    cells = Cells.fit(leading)
    assert len(cells.centers) == 50 == len(cells.rows)
    assert cells.rows.sum() == 3000
    search = TwoStage(flat, rotation, leading, 200, cells, reach)
    (ids, distances), certified = search.search(flat.train, K, np.arange(3000))
    exact_ids, exact_distances = flat.search(flat.train, K, np.arange(3000))
    assert not certified.any()
    assert not (ids == np.arange(3000)[:, None]).any()
    assert (distances >= exact_distances).all()
    true = np.linalg.norm(flat.train[ids[:, 3]].astype(float) - flat.train, axis=1)
    np.testing.assert_allclose(distances[:, 3], true, rtol=1e-6)
    assert recall(ids, exact_ids) >= {0.01: 0.5, 1.3: 0.99, 1e9: 0.9999}[reach]
    if reach < 1:
        assert recall(ids, exact_ids) < 0.99


@pytest.mark.parametrize("kind", ["two-stage", "IVF"])
def test_half_precision_and_mapped_rows_give_the_same_graph(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    request.getfixturevalue("eager" if kind == "two-stage" else "in_cells")
    rows = embedded().astype(np.float16)
    if kind == "IVF":
        rows[:, :2] += 40 * np.random.RandomState(1).randint(0, 10, (ROWS, 2)).astype(np.float16)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    graphs = [
        NeighborGraph.build(train, train[:200], k=K)
        for train in (rows.astype(np.float32), rows, mapped)
    ]
    assert graphs[0].method == kind
    for other in graphs[1:]:
        assert np.array_equal(other.train_ids, graphs[0].train_ids)
        assert np.array_equal(other.train_distances, graphs[0].train_distances)
        assert np.array_equal(other.test_ids, graphs[0].test_ids)  # type: ignore[arg-type]
        assert (other.recall, other.certified) == (graphs[0].recall, graphs[0].certified)


@pytest.mark.parametrize("kind", ["eager", "in_cells"])
def test_search_can_be_stopped_at_every_step(request: pytest.FixtureRequest, kind: str) -> None:
    request.getfixturevalue(kind)
    told: list[tuple[float, float]] = []
    rows = embedded()
    NeighborGraph.build(rows, rows[:50], k=K, progress=lambda a, b, _: told.append((a, b)))
    assert {total for _, total in told} == {ROWS + 50}
    done = [done for done, _ in told]
    assert done == sorted(done)
    assert done[-1] == ROWS + 50
    for step in range(len(told)):
        left = iter(range(step + 1))

        def stop(a: float, b: float, text: str, left: Any = left) -> None:
            if next(left) == step:  # noqa: B023
                raise InterruptedError

        with pytest.raises(InterruptedError):
            NeighborGraph.build(rows, rows[:50], k=K, progress=stop)
        if step > 4:
            break


@pytest.mark.parametrize("clustered", [False, True])
def test_some_leading_dimensions_are_tried_whatever_the_columns(clustered: bool) -> None:
    for columns in (*range(64, 700), 1024, 4096, 100_000):
        sizes = search_plan.leading_sizes(columns, clustered)
        assert sizes
        assert max(sizes) <= columns // 2


def test_unknown_search_is_refused() -> None:
    with pytest.raises(WannError, match="`search` must be one of auto, flat, torch; got 'fast'"):
        NeighborGraph.build(np.zeros((3, 2)), search="fast")


@pytest.fixture
def many(eager: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Flags that name a database whose graph is searched in two stages."""
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    rows = 6000  # with fewer, 51 neighbors are no cheaper to find in two stages
    labels = np.random.RandomState(0).randint(0, 3, rows)
    train = Split(embedded(rows), labels, np.arange(rows))
    test = Split(embedded(300, 1), labels[:300], np.arange(300))
    splits = {"train": train, "test": test}
    database.write(tmp_path / "db", "plane", "made", splits, ["a", "b", "c"], {})
    return ["--database_root", tmp_path / "db", "--dataset", "plane", "--backbone", "made"]


def test_commands_say_how_neighbors_were_searched(
    many: list[object], command: Any, tmp_path: Path
) -> None:
    knn = ["knn", *many, "--experiment_name", "x", "--output_root", tmp_path]
    audit = ["audit", *many, "--no_probe", "--out", tmp_path / "issues.csv"]
    for arguments in (knn, knn, audit):  # the second one is answered by the store
        assert "two-stage search, recall " in command(*arguments).out
        assert "exact search" in command(*arguments, "--search", "flat").out
    logs = {path.name: json.loads(path.read_text()) for path in (tmp_path / "x").glob("*.json")}
    assert len(logs) == 2
    for name, log in logs.items():
        exact = "search-flat" in name
        assert log["scenario"]["search"] == ("flat" if exact else "auto")
        assert log["graph_method"] == ("flat" if exact else "two-stage")


def test_page_says_how_neighbors_were_searched(many: list[object]) -> None:
    scenario = Scenario("plane", "made")
    found = prepare(scenario, database_root=str(many[1]))
    assert f"Neighbors by {found.graph.description}." in sentences.settings(found)
    assert found.graph.description.startswith("two-stage search, recall ")
    exact = prepare(dataclasses.replace(scenario, search="flat"), database_root=str(many[1]))
    assert exact.graph.method == "flat"
    assert "search" not in sentences.settings(exact)


def test_scenario_refuses_an_unknown_search() -> None:
    with pytest.raises(
        WannError, match="`search` must be one of auto, flat, torch; got 'fast'"
    ) as refused:
        Scenario(search="fast")
    assert refused.value.field == "search"

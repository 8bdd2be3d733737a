"""Exact search by bytes and by products in float32, against brute force."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from wann_core.errors import WannError
from wann_core.neighbors import codes, exact, scan, torch_scan
from wann_core.neighbors.exact import Flat
from wann_core.neighbors.graph import NeighborGraph
from wann_core.parallel import in_blocks
from wann_core.typing import Array

ROWS, COLUMNS, K = 4300, 70, 9

needs_bytes = pytest.mark.skipif(
    not scan.BYTES, reason="this processor has no dot product of bytes (AVX-512 VNNI)"
)


def plane(rows: int, seed: int = 0) -> Array:
    """Rows near an 8-dimensional plane, as float32."""
    rng, basis = np.random.RandomState(seed), np.random.RandomState(9).randn(8, COLUMNS)
    return np.asarray(rng.randn(rows, 8) @ basis + 0.05 * rng.randn(rows, COLUMNS), np.float32)


def true_squares(queries: Array, rows: Array) -> Array:
    wide, other = queries.astype(np.float64), rows.astype(np.float64)
    return np.array([((other - query) ** 2).sum(axis=1) for query in wide])


def check(found: tuple[Array, Array], queries: Array, rows: Array, own: Array | None) -> None:
    """A part of the answers, by distances: sums in another order may swap exact ties."""
    some = np.arange(0, len(queries), max(1, len(queries) // 60))
    squares = true_squares(queries[some], rows)
    if own is not None:
        squares[np.arange(len(some)), own[some]] = np.inf
    expected = np.sort(squares, axis=1)[:, : found[0].shape[1]]
    given = np.take_along_axis(squares, found[0][some], axis=1)
    np.testing.assert_allclose(given, expected, rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(found[1][some] ** 2, expected, rtol=1e-5, atol=1e-20)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are tried, and taken, whatever they cost."""
    monkeypatch.setattr(exact, "_CODED_COST", 0)
    monkeypatch.setattr(exact, "_CODING", 1e9)
    monkeypatch.setattr(codes, "_WORTHWHILE", 1e9)


FAR = np.concatenate([plane(ROWS), np.full((1, COLUMNS), 1e6, np.float32)])
CROWDS = np.random.RandomState(3).randint(0, 60, ROWS)
DATA = {
    "plane": plane(ROWS),
    "isotropic": np.random.RandomState(1).randn(ROWS, COLUMNS).astype(np.float32),
    "float64": np.random.RandomState(1).randn(ROWS, COLUMNS),
    "float16": plane(ROWS).astype(np.float16),
    "constant offset": plane(ROWS) + np.float32(1e4),
    "one row far away": FAR,
    "duplicates": plane(200)[np.random.RandomState(2).randint(0, 200, ROWS)],
    "integers": np.random.RandomState(5).randint(0, 3, (ROWS, COLUMNS)).astype(np.float32),
    "tight crowds": 30 * plane(60)[CROWDS] + np.float32(0.003) * plane(ROWS, 2),
    "equal rows": np.ones((ROWS, COLUMNS), np.float32),
    "columns of unlike scale": plane(ROWS) * np.geomspace(1e-3, 1e3, COLUMNS, dtype=np.float32),
}


@pytest.mark.slow
@needs_bytes
@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("name", DATA)
def test_bytes_find_the_same_neighbors_as_products_in_float32(
    eager: None, monkeypatch: pytest.MonkeyPatch, name: str, rotated: bool
) -> None:
    rows = DATA[name]
    monkeypatch.setattr(exact, "_CODING", 1e9 if rotated else 0)
    flat, own = Flat(rows), np.arange(len(rows))
    asked = np.concatenate([rows[:700] * rows.dtype.type(0.999), rows[:3]])
    assert flat._coded(rows, own, K, lambda _: None) is not None
    found, other = flat.search(rows, K, own), flat.search(asked, K)
    flat._codes = None
    monkeypatch.setattr(exact, "_CODED_COST", np.inf)
    for one, two in zip(
        (*found, *other), (*flat.search(rows, K, own), *flat.search(asked, K)), strict=True
    ):
        assert np.array_equal(one, two)
    check(found, rows, rows, own)
    check(other, asked, rows, None)


@needs_bytes
@pytest.mark.parametrize("name", DATA)
def test_distances_of_bytes_less_their_slack_are_lower_bounds(name: str) -> None:
    rows = DATA[name].astype(np.float64)
    mean = rows.mean(axis=0)
    plain = codes.Projection(mean, None, None)
    for project in (*codes.Rotation.fit(rows, mean).projections(), plain):
        coded = codes.CodedRows(rows, project, lambda _: None)
        queries = coded.quantized(rows[:40], np.full(40, -1))
        bounds, ids, _, slack = coded.nearest(queries, len(rows))
        assert (np.sort(ids, axis=1)[:, -len(rows) :] == np.arange(len(rows))).all()
        true = np.take_along_axis(true_squares(rows[:40], rows), ids[:, : len(rows)], axis=1)
        lower = np.sqrt(np.maximum(bounds[:, : len(rows)], 0)) - slack[:, None]
        norms = np.sqrt(queries.squares)[:, None] + np.sqrt(true) + slack[:, None]
        assert (lower <= np.sqrt(true) + 1e-3 * norms * (bounds[:, : len(rows)] > 0)).all()
        # And they are near them: nothing else would be worth its while.
        if name == "isotropic" and project.columns == COLUMNS:
            assert (slack < 0.03 * np.sqrt(true.mean(axis=1))).all()
        again = coded.quantized(rows[:40], np.arange(40))
        assert np.array_equal(again.codes, queries.codes)


@needs_bytes
def test_bytes_are_taken_only_where_they_are_cheaper() -> None:
    rng = np.random.RandomState(0)
    near_plane = rng.randn(9000, 12) @ rng.randn(12, 500) + 0.3 * rng.randn(9000, 500)
    # Rounding to bytes hides all neighbors of rows that differ by a millionth.
    crowds = 1e-6 * rng.randn(9000, 500) + rng.randint(0, 2, (9000, 1))
    for data, taken in ((near_plane, True), (crowds, False)):
        flat = Flat(data.astype(np.float32))
        mean, sample = flat.mean, flat.train[:64]
        _, squares = flat.ranked(sample, np.arange(64), K)
        farthest = np.sqrt(squares[:, -1])
        assert (codes.choose(flat.train, mean, sample, farthest, K, True) is not None) == taken


@pytest.mark.parametrize("columns", [1, 3, 16, 33, 257])
@pytest.mark.parametrize("rows", [1, 2, 31, 33, 700])
def test_scan_finds_the_nearest(rows: int, columns: int) -> None:
    rng = np.random.RandomState(0)
    train, queries = (rng.randn(n, columns).astype(np.float32) for n in (rows, 13))
    for wanted in {1, 5, rows}:
        squares, ids, outside = scan.scan(queries, train, scan.half_norms(train), wanted)
        true = true_squares(queries, train)
        for q in range(13):
            found = ids[q][ids[q] >= 0]
            assert len(set(found)) == len(found) >= min(wanted, rows)
            nearest = np.argsort(true[q])[:wanted]
            assert set(nearest) <= set(found)
            np.testing.assert_allclose(squares[q, : len(found)], true[q, found], atol=1e-3)
            left = np.setdiff1d(np.arange(rows), found)
            assert (true[q, left] >= outside[q] - 1e-3).all()


def test_first_threshold_too_high_shows_in_what_lies_outside() -> None:
    # The tiles that give the first threshold are nearer than all others.
    rng = np.random.RandomState(0)
    near = np.arange(9000) // scan.WIDTH % 16 == 0
    rows = (np.where(near, 0.001, 5.0)[:, None] * rng.randn(9000, 12)).astype(np.float32)
    _, ids, outside = scan.scan(rows[:20], rows, scan.half_norms(rows), 700)
    few = (ids >= 0).sum(axis=1)
    true = true_squares(rows[:20], rows)
    for q in np.flatnonzero(few < 700):
        left = np.setdiff1d(np.arange(9000), ids[q])
        assert outside[q] <= true[q, left].min() + 1e-3
    check(Flat(rows).search(rows, 680, np.arange(9000)), rows, rows, np.arange(9000))


CHECK = """
import numpy as np
from wann_core.neighbors import scan
from wann_core.neighbors.exact import Flat
rows = np.random.RandomState(0).randn(900, 37).astype(np.float32)
ids, _ = Flat(rows).search(rows, 7, np.arange(900))
print(scan.WIDTH, scan.BYTES, ids.sum(), ids[:5].tolist())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width"), [("x86-64", 8), ("haswell", 16)])
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="these processors are x86-64")
def test_other_processors_find_the_same_neighbors(name: str, width: int) -> None:
    """Kernels for processors without AVX-512, and without AVX2."""
    features = "" if name == "x86-64" else "+avx,+avx2,+fma"
    environment = dict(os.environ, NUMBA_CPU_NAME=name, NUMBA_CPU_FEATURES=features)
    answer = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=True
    ).stdout
    rows = np.random.RandomState(0).randn(900, 37).astype(np.float32)
    ids, _ = Flat(rows).search(rows, 7, np.arange(900))
    assert answer.strip() == f"{width} False {ids.sum()} {ids[:5].tolist()}"


def test_answers_do_not_depend_on_blocks() -> None:
    rows = plane(2500)
    flat = Flat(rows)
    whole = flat.search(rows, K)
    parts = [flat.search(rows[i : i + 111], K) for i in range(0, 2500, 111)]
    for j in range(2):
        assert np.array_equal(whole[j], np.concatenate([part[j] for part in parts]))


def test_stopped_blocks_leave_nothing_running() -> None:
    done: list[int] = []

    def work(part: slice) -> None:
        time.sleep(0.001)
        done.append(part.start)

    def stop(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        in_blocks(work, 5000, 1, stop)
    count = len(done)
    assert count < 5000
    in_blocks(work, 10, 5, lambda _: None)
    assert len(done) == count + 2


def test_an_error_in_a_block_comes_out() -> None:
    def work(part: slice) -> None:
        raise ValueError(part.start)

    with pytest.raises(ValueError, match=r"^0$"):
        in_blocks(work, 10, 1, lambda _: None)


@pytest.mark.parametrize("name", ["plane", "isotropic", "float64", "float16"])
def test_torch_finds_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_scan, "_ROWS", 1000)  # several parts
    rows = DATA[name]
    own = np.arange(700)
    flat, other = Flat(rows), Flat(rows, by_torch=True)
    for asked in ((rows[:700], K, own), (rows[:300] * 1.01, K)):
        for mine, its in zip(flat.search(*asked), other.search(*asked), strict=True):
            assert mine.tobytes() == its.tobytes()


def test_torch_fetches_more_where_its_first_candidates_prove_nothing() -> None:
    # Three hundred rows within rounding of each other, far from the middle of all.
    rows = np.random.RandomState(5).randn(900, 8).astype(np.float32)
    rows[:300] = 50 + rows[:300] * 1e-5
    graphs = [NeighborGraph.build(rows, k=5, search=name) for name in ("flat", "torch")]
    for field in ("train_ids", "train_distances"):
        mine, its = (getattr(graph, field) for graph in graphs)
        assert mine.tobytes() == its.tobytes()
    assert (graphs[1].method, graphs[1].recall) == ("flat", 1.0)


def test_torch_says_when_the_memory_of_a_gpu_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(scan: torch_scan.TorchScan, rows: Array) -> None:
        raise scan.torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch_scan.TorchScan, "_there", full)
    with pytest.raises(WannError, match="the GPU's memory is too small") as error:
        NeighborGraph.build(np.random.RandomState(0).randn(60, 4), k=3, search="torch")
    assert error.value.field == "search"

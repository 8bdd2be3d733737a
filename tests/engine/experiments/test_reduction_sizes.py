"""Reductions to fewer dimensions: one fit for all sizes, and what is recorded of each."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from wann_core import NeighborGraph, Scenario, WannError, prepare, run, run_all
from wann_core.experiments.grid import dimension_grid, summary
from wann_core.experiments.preparation import Preparation
from wann_core.experiments.records import report_record
from wann_core.methods import reduction
from wann_core.neighbors import cache
from wann_core.neighbors.cache import neighbor_graph

BASE = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact")
RNG = np.random.RandomState(0)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from earlier tests."""
    Preparation.clear()


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every PCA and LDA that is fitted from here on."""
    made: list[str] = []

    def counted(name: str) -> Any:
        original = getattr(reduction, name)

        def fit(*args: Any, **kwargs: Any) -> Any:
            made.append(name)
            return original(*args, **kwargs)

        return fit

    for name in ("fit_pca", "fit_lda"):
        monkeypatch.setattr(reduction, name, counted(name))
    return made


def rows(n: int, d: int) -> np.ndarray:
    """Rows whose principal components are well apart."""
    return (RNG.randn(n, d) * np.geomspace(10, 0.5, d)).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(600, 40), (300, 40), (60, 90), (40, 600)])
@pytest.mark.parametrize("size", [1, 7, 40])
def test_leading_columns_of_one_pca_are_the_smaller_one(n: int, d: int, size: int) -> None:
    X = rows(n, d)
    ours = reduction.fit_pca(X, published=False).transform(X, size)
    theirs = PCA(size, svd_solver="full").fit(X.astype(np.float64)).transform(X.astype(np.float64))
    assert ours.shape == (n, size)
    # Components of a float32 fit that lie close together turn a little into one another; the
    # distances that neighbors are found by do not notice.
    np.testing.assert_allclose(_gram(ours), _gram(theirs), atol=2e-3 * np.abs(theirs).max() ** 2)


def _gram(X: np.ndarray) -> np.ndarray:
    return X @ X.T


@pytest.mark.parametrize("size", [1, 6, 39, 40])
def test_cut_pca_is_scikit_learns_own_bit_for_bit(size: int) -> None:
    X = rows(600, 40)  # ten times as many rows as columns: the covariance, in either
    ours = reduction.fit_pca(X, published=False).transform(X, size)
    assert np.array_equal(ours, PCA(size, random_state=4524234).fit(X).transform(X))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_cut_lda_is_scikit_learns_own_bit_for_bit(size: int) -> None:
    X, y = rows(200, 12), np.arange(200) % 4
    ours = reduction.fit_lda(X, y).transform(X, size)
    theirs = LinearDiscriminantAnalysis(solver="svd", n_components=size).fit(X, y).transform(X)
    assert np.array_equal(ours, theirs.astype(np.float32))


def test_one_fit_serves_all_sizes(fresh: None, fits: list[str], builds: list[Any]) -> None:
    sizes = {"PCA": (2, 5, 9), "LDA": (2, 5, 9), "fLDA": (2, 5, 9)}
    reports = list(run_all(dimension_grid(BASE, sizes, ["kNN-11", "WANN"], [1, 2])))
    assert len(reports) == 3 * 3 * 2 * 2
    # PCA knows of no label; the others are fitted again for each seed's labels.
    assert [fits.count("fit_pca"), fits.count("fit_lda")] == [1, 4]
    widths = [width for _, width in builds]
    assert sorted(widths) == sorted([64, *[2, 5, 9] * 1, *[2, 5, 9] * 4])


def test_published_pca_is_a_fit_of_its_own(fresh: None, fits: list[str]) -> None:
    for size in (None, 64, None, 2):
        prepare(dataclasses.replace(BASE, reduction="PCA", reduction_size=size))
    assert fits == ["fit_pca", "fit_pca"]


@pytest.mark.parametrize("name", ["PCA", "LDA", "fLDA"])
def test_a_number_does_not_depend_on_what_was_asked_before(fresh: None, name: str) -> None:
    cases = [dataclasses.replace(BASE, reduction=name, reduction_size=s) for s in (9, 1, 4)]
    together = [run(case) for case in cases]
    for report in together:
        Preparation.clear()
        alone = run(report.scenario)
        assert np.array_equal(alone.predictions, report.predictions)
        assert np.array_equal(alone.prepared.X_train, report.prepared.X_train)


@pytest.mark.parametrize(
    ("columns", "classes", "n_rows", "pca", "lda"),
    [
        (64, 10, None, (1, 2, 4, 6, 8, 9, 16, 32), (1, 2, 4, 6, 8, 9)),
        (64, 10, 7, (1, 2, 4, 6), (1, 2, 4, 6, 8, 9)),
        (1024, 3, None, (1, 2, 4, 8, 10, 16, 32, 64, 102, 128, 256, 512), (1, 2)),
        (2, 10, None, (1,), (1, 2)),
        (1, 2, None, (), (1,)),
    ],
)
def test_sizes_fit_the_data(
    columns: int, classes: int, n_rows: int | None, pca: tuple[int, ...], lda: tuple[int, ...]
) -> None:
    sizes = reduction.sizes(columns, classes, n_rows)
    assert sizes == {None: (None,), "PCA": pca, "LDA": lda, "fLDA": lda}


def test_size_that_cannot_be_had_costs_its_own_runs_alone() -> None:
    cases = dimension_grid(BASE, {"LDA": (9, 10), "PCA": (3,)}, ["ANN", "WANN"], [1])
    with pytest.raises(WannError, match="between 1 and 9, got 10"):
        list(run_all(cases))
    missed: list[tuple[Scenario, WannError]] = []
    told: list[float] = []
    reports = list(
        run_all(
            cases,
            on_error=lambda case, error: missed.append((case, error)),
            progress=lambda done, total, text: told.append(done / total),
        )
    )
    assert [(r.scenario.reduction, r.scenario.reduction_size) for r in reports] == [
        ("LDA", 9),
        ("LDA", 9),
        ("PCA", 3),
        ("PCA", 3),
    ]
    assert [case.method for case, _ in missed] == ["ANN", "WANN"]
    assert {error.field for _, error in missed} == {"reduction_size"}
    assert told[-1] == 1


def test_record_tells_space_time_and_adaptive_k() -> None:
    report = run(dataclasses.replace(BASE, reduction="fLDA", reduction_size=4))
    record, prepared = report_record(report), report.prepared
    assert (record["dimensions"], record["embedding_bytes"]) == (4, 1200 * 4 * 4)
    wrong = prepared.labels != prepared.clean_labels
    assert record["adaptive_k_mean"] == prepared.adaptive_k.mean()
    assert record["adaptive_k_right"] == prepared.adaptive_k[~wrong].mean()
    assert record["adaptive_k_wrong"] == prepared.adaptive_k[wrong].mean()
    assert record["adaptive_k_wrong"] > record["adaptive_k_right"] + 10
    assert record["search_seconds"] == prepared.graph.seconds > 0
    # fLDA asks the neighbors at full dimension first.
    assert record["reduce_seconds"] > prepare(BASE).graph.seconds


def test_record_of_clean_labels_and_no_reduction() -> None:
    record = report_record(run(Scenario()))
    assert record["adaptive_k_wrong"] is None
    assert record["adaptive_k_right"] == record["adaptive_k_mean"]
    assert (record["dimensions"], record["reduce_seconds"]) == (64, 0)


def test_seconds_of_a_search_are_kept_with_its_graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_WORTH_KEEPING", 0)
    X = rows(50, 3)
    first, again = (neighbor_graph(X, X[:5], 7) for _ in range(2))
    assert again is not first
    assert again.seconds == first.seconds > 0
    assert np.isnan(NeighborGraph(first.train_ids, first.train_distances).seconds)


def test_summary_tells_reductions_apart() -> None:
    cases = dimension_grid(BASE, {"PCA": (2, 8), "LDA": (2,)}, ["WANN"], [1, 2])
    records = pd.DataFrame(map(report_record, run_all(cases)))
    table = summary(records, "dimensions", "accuracy", by="reduction")
    assert list(zip(table["reduction"], table["dimensions"], strict=True)) == [
        ("PCA", 2),
        ("PCA", 8),
        ("LDA", 2),
    ]
    pca = records[(records["reduction"] == "PCA") & (records["dimensions"] == 8)]["accuracy"]
    assert table["mean"].iloc[1] == pytest.approx(pca.mean())
    assert set(table["seeds"]) == {2}

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from wann_core import Scenario, classify, prepare, run, run_all
from wann_core.errors import WannError
from wann_core.experiments.preparation import Preparation

METHODS = ("kNN-11", "kNN-51", "ANN", "WANN")
NOISY = Scenario(noise_pattern="sym", noise_ratio=0.4)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from earlier tests."""
    Preparation.clear()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("seed", 2**32),
        ("seed", 1.5),
        ("imbalance_ratio", -0.1),
        ("imbalance_ratio", 1.1),
        ("num_subsamples", 0),
        ("num_subsamples", -2),
        ("num_subsamples", 2.5),
        ("noise_pattern", "symmetric"),
        ("noise_pattern", ""),
        ("noise_ratio", -0.01),
        ("noise_ratio", 1.01),
        ("noise_ratio", float("nan")),
        ("draw", "fair"),
        ("normalization", "minmax"),
        ("normalization", None),
        ("reduction", "UMAP"),
        ("reduction_size", 0),
        ("method", "SVM"),
        ("method", "knn"),
        ("k", 0),
        ("k", "11"),
        ("k_min", 0),
        ("k_min", 52),
        ("k_max", 0),
        ("transition_matrix", ((1.0,), (0.0, 1.0))),
        ("transition_matrix", (0.5, 0.5)),
    ],
)
def test_message_carries_the_field_at_fault(field: str, value: Any) -> None:
    with pytest.raises(WannError) as caught:
        Scenario(**{field: value})
    assert caught.value.field == field
    assert f"`{field}`" in str(caught.value)


def test_scenarios_are_hashable_values() -> None:
    a = Scenario(noise_pattern="matrix", transition_matrix=[[1, 0], [0.5, 0.5]])  # type: ignore[arg-type]
    b = Scenario(noise_pattern="matrix", transition_matrix=((1.0, 0.0), (0.5, 0.5)))
    assert len({a, b, Scenario(seed=1), Scenario(seed=1)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.seed = 3  # type: ignore[misc]


def test_minus_one_subsamples_means_all() -> None:
    assert Scenario(num_subsamples=-1) == Scenario()


def test_methods_are_named_as_in_tables() -> None:
    named = {name: Scenario().with_method(name) for name in METHODS}
    assert {name: case.method_name for name, case in named.items()} == {n: n for n in METHODS}
    assert (named["kNN-51"].method, named["kNN-51"].k) == ("kNN", 51)
    for name in ("kNN-x", "SVM", ""):
        with pytest.raises(WannError) as caught:
            Scenario().with_method(name)
        assert caught.value.field == "method"


def test_noise_method_k_and_draw_never_search_again(
    fresh: None, builds: list[tuple[int, ...]]
) -> None:
    for seed, ratio, draw, method in itertools.product(
        (1, 2), (0.0, 0.2, 0.4), ("reference", "exact"), METHODS
    ):
        case = Scenario(seed=seed, noise_pattern="sym", noise_ratio=ratio, draw=draw)
        run(case.with_method(method))
    for pattern in ("asym", "instance", "similar"):
        run(Scenario(noise_pattern=pattern, noise_ratio=0.3, k_min=5, k_max=21))
    assert builds == [(1200, 64)]


def test_more_neighbors_than_the_graph_holds_are_searched(
    fresh: None, builds: list[tuple[int, ...]]
) -> None:
    reports = [run(Scenario(method="kNN", k=k)) for k in (51, 60, 60, 51)]
    assert len(builds) == 2
    assert [int(report.voters[0]) for report in reports] == [51, 60, 60, 51]


def test_pca_is_searched_once_whatever_the_labels(
    fresh: None, builds: list[tuple[int, ...]]
) -> None:
    for seed, method in itertools.product((1, 2), METHODS):
        case = dataclasses.replace(NOISY, reduction="PCA", reduction_size=10, seed=seed)
        run(case.with_method(method))
    assert builds == [(1200, 10)]


@pytest.mark.parametrize("reduction", ["LDA", "fLDA"])
def test_discriminants_are_searched_once_a_labeling(
    fresh: None, builds: list[tuple[int, ...]], reduction: str
) -> None:
    for seed, method in itertools.product((1, 2), METHODS):
        run(dataclasses.replace(NOISY, reduction=reduction, seed=seed).with_method(method))
    assert builds.count((1200, 9)) == 2
    # Only fLDA asks the full-dimension neighbors which rows to trust.
    assert builds.count((1200, 64)) == (reduction == "fLDA")
    assert len(builds) == 2 + (reduction == "fLDA")


@pytest.mark.parametrize("change", [{"imbalance_ratio": 0.2}, {"num_subsamples": 300}])
def test_drawn_rows_depend_on_the_seed(
    fresh: None, builds: list[tuple[int, ...]], change: dict[str, Any]
) -> None:
    drawn = [prepare(Scenario(seed=seed, **change)).row_ids for seed in (1, 2, 1)]
    assert np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(np.sort(drawn[0]), np.sort(drawn[1]))
    assert len(builds) == 2


def test_normalization_and_rows_are_part_of_the_geometry() -> None:
    base = Scenario()
    for change in (
        {"normalization": "l2"},
        {"reduction": "PCA"},
        {"num_subsamples": 100},
        {"imbalance_ratio": 0.5},
        {"dataset": "other"},
        {"backbone": "other"},
    ):
        assert dataclasses.replace(base, **change).geometry() != base.geometry()  # type: ignore[arg-type]
    assert dataclasses.replace(NOISY, seed=7, method="kNN", k=3).geometry() == base.geometry()


@pytest.mark.parametrize("normalization", ["none", "l2"])
def test_other_normalizations_reach_the_neighbors(normalization: str) -> None:
    prepared = prepare(Scenario(normalization=normalization))
    pixels = load_digits().data[prepared.row_ids]
    if normalization == "l2":
        pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
    np.testing.assert_allclose(prepared.X_train, pixels, rtol=1e-6)
    nearest = np.linalg.norm(pixels - prepared.X_test[0], axis=1).min()
    assert prepared.graph.test_distances is not None
    assert prepared.graph.test_distances[0, 0] == pytest.approx(nearest, rel=1e-6)


@pytest.mark.parametrize("change", [{}, {"imbalance_ratio": 0.1}, {"num_subsamples": 200}])
def test_row_ids_are_those_of_the_source(change: dict[str, Any]) -> None:
    prepared = prepare(Scenario(noise_pattern="sym", noise_ratio=0.3, **change))
    source = load_digits()
    assert np.array_equal(source.target[prepared.row_ids], prepared.clean_labels)
    assert np.array_equal(prepared.dataset.train.ids[prepared.rows], prepared.row_ids)
    assert prepared.noise_ratio == np.mean(prepared.labels != prepared.clean_labels)


@pytest.mark.parametrize("ratio", [0.0, 0.07, 0.4])
def test_exact_draws_realize_the_asked_noise(ratio: float) -> None:
    prepared = prepare(dataclasses.replace(NOISY, noise_ratio=ratio, draw="exact"))
    assert abs(prepared.noise_ratio - ratio) * len(prepared.labels) < 1
    np.testing.assert_allclose(prepared.transition_matrix.sum(axis=1), 1)


def test_long_tail_that_classes_cannot_give_is_noted() -> None:
    # 1,200 rows of ten classes ask for 120 a class; some have 119.
    (note,) = prepare(Scenario(imbalance_ratio=1.0)).notes
    assert "they keep all they have" in note
    assert prepare(Scenario()).notes == ()


def test_shared_labels_are_read_only() -> None:
    prepared = prepare(NOISY)
    for array in (prepared.labels, prepared.clean_labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_votes_answer_for_the_method_that_is_asked() -> None:
    prepared = prepare(NOISY)
    for method in METHODS:
        asked = NOISY.with_method(method)
        together, alone = classify(prepared, asked), run(asked)
        assert together.scenario == asked
        assert np.array_equal(together.predictions, alone.predictions)
        assert together.metrics.accuracy == np.mean(together.predictions == prepared.y_test)


@pytest.mark.parametrize(
    "change",
    [
        {"noise_ratio": 0.3},
        {"noise_pattern": "asym"},
        {"draw": "exact"},
        {"seed": 1},
        {"num_subsamples": 500},
        {"normalization": "l2"},
        {"reduction": "LDA"},
        {"k_min": 5},
        {"k_max": 31},
    ],
)
def test_votes_refuse_what_was_not_prepared(change: dict[str, Any]) -> None:
    with pytest.raises(WannError, match="other rows, labels or bounds than were prepared"):
        classify(prepare(NOISY), dataclasses.replace(NOISY, **change))


def test_votes_refuse_more_neighbors_than_were_searched() -> None:
    with pytest.raises(WannError, match="`k` must be between 1 and 51, got 60") as caught:
        classify(prepare(NOISY), dataclasses.replace(NOISY, method="kNN", k=60))
    assert caught.value.field == "k"


@pytest.mark.parametrize("method", METHODS)
def test_confidence_is_the_share_of_the_votes_won(method: str) -> None:
    report = run(NOISY.with_method(method))
    p = report.prepared
    assert p.graph.test_ids is not None
    for i in range(0, 597, 20):
        voters = p.graph.test_ids[i, : report.voters[i]]
        weights = p.reliability[voters] if method == "WANN" else np.ones(len(voters))
        won = weights[p.labels[voters] == report.predictions[i]].sum()
        assert report.confidence[i] == pytest.approx(won / weights.sum())
    assert report.confidence.shape == (597,)


def test_voters_are_k_or_that_of_the_nearest_row() -> None:
    report = run(NOISY)
    assert report.prepared.graph.test_ids is not None
    nearest = report.prepared.graph.test_ids[:, 0]
    assert np.array_equal(report.voters, report.prepared.adaptive_k[nearest])
    assert set(run(NOISY.with_method("kNN-7")).voters) == {7}


def test_few_rows_cut_k_and_the_bounds() -> None:
    few = Scenario(num_subsamples=20)
    assert prepare(few).k_bounds == (11, 19)
    assert prepare(dataclasses.replace(few, num_subsamples=10)).k_bounds == (9, 9)
    assert set(run(dataclasses.replace(few, method="kNN", k=100)).voters) == {20}
    assert run(few).prepared.adaptive_k.max() <= 19


@pytest.mark.parametrize("reduction", ["LDA", "fLDA"])
def test_discriminants_are_fitted_to_the_noisy_labels(reduction: str) -> None:
    clean, noisy = (
        prepare(Scenario(noise_pattern=pattern, noise_ratio=0.4, reduction=reduction))
        for pattern in (None, "sym")
    )
    assert clean.X_train.shape == noisy.X_train.shape == (1200, 9)
    assert not np.allclose(np.abs(clean.X_train), np.abs(noisy.X_train), atol=0.1)


CASES = [
    Scenario(
        seed=seed, noise_pattern=pattern, noise_ratio=0.3, reduction=reduction, **k
    ).with_method(method)
    for seed in (1, 2)
    for pattern, reduction, k in (
        ("sym", None, {}),
        ("sym", None, {"k_min": 3, "k_max": 9}),
        ("asym", "LDA", {}),
        (None, None, {}),
    )
    for method in ("kNN-5", "kNN-60", "WANN")
]


def test_run_all_equals_runs_one_by_one(fresh: None) -> None:
    told: list[tuple[float, float]] = []
    together = list(run_all(CASES, progress=lambda done, total, _: told.append((done, total))))
    assert [report.scenario for report in together] == CASES
    for report, case in zip(together, CASES, strict=True):
        alone = run(case)
        assert np.array_equal(report.predictions, alone.predictions)
        assert np.array_equal(report.prepared.labels, alone.prepared.labels)
        assert np.array_equal(report.confidence, alone.confidence)
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]}


def test_a_setting_that_does_not_matter_changes_no_number() -> None:
    variants = [
        Scenario(method="kNN", k=7, seed=3, k_min=5, noise_ratio=0.3, draw="exact"),
        Scenario(method="ANN", k=7, reduction_size=5, seed=9),
        Scenario(method="ANN", k=7, num_subsamples=400, seed=9),
        dataclasses.replace(NOISY, seed=4, transition_matrix=((1.0,),)),
    ]
    assert variants[2].canonical().seed == 9  # here the seed draws rows
    for case in variants:
        plain = case.canonical()
        assert plain != case
        assert plain.canonical() == plain
        assert np.array_equal(run(plain).predictions, run(case).predictions)


def test_stopped_preparation_may_be_asked_again(fresh: None) -> None:
    def stop(done: float, total: float, text: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        prepare(NOISY, progress=stop)
    assert run(NOISY).metrics.n == 597


def test_changed_files_are_read_again(database: Path) -> None:
    case = Scenario("small", "tiny")
    before = run(case, database_root=database)
    path = database / "small" / "tiny" / "test.npz"
    with np.load(path) as arrays:
        X, y = arrays["embeddings"], arrays["labels"]
    np.savez(path, embeddings=X[:50], labels=y[:50])
    after = run(case, database_root=database)
    assert (before.metrics.n, after.metrics.n) == (100, 50)
    assert np.array_equal(after.predictions, before.predictions[:50])

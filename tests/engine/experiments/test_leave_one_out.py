"""Data sets without test rows: every row is judged by the others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import reference
from wann_core import Scenario, datasets, prepare, run
from wann_core.datasets import Split, database
from wann_core.errors import WannError
from wann_core.methods.registry import LOGISTIC
from wann_core.typing import Array

N, CLASSES = 90, 3


def rows(n: int = N) -> tuple[Array, Array]:
    rng = np.random.default_rng(5)
    y = np.arange(n) % CLASSES
    X = rng.normal(size=(CLASSES, 6))[y] + 0.9 * rng.normal(size=(n, 6))
    return (X * np.geomspace(0.3, 9, 6)).astype(np.float32), y


def write(root: Path, n: int = N, clean: Array | None = None, **more: Any) -> Path:
    X, y = rows(n)
    split = Split(X, y, np.arange(n) * 2, clean)
    return database.write(root, "lone", "tiny", {"train": split, **more}, ("a", "b", "c"), {})


def asked(**more: Any) -> Scenario:
    return Scenario("lone", "tiny", **{"k": 5, "k_min": 3, "k_max": 15, **more})


def expected(scenario: Scenario, chosen: Array, noisy: Array) -> tuple[dict[str, Any], Array]:
    """Predictions of each row by the others, and the adaptive k, by loops over all pairs."""
    X = rows()[0][chosen].astype(np.float64)
    X = reference.zscore(X, X)[0]
    if scenario.reduction is not None:
        X = reference.reduce_dimension(scenario.reduction, X, noisy, X)[0]
    ids = reference.neighbors(X, X, True)
    ks = reference.adaptive_k(ids, noisy, scenario.k_min, scenario.k_max)
    return reference.predict(ids, noisy, ks, scenario.k), ks


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"noise_pattern": "sym", "noise_ratio": 0.4, "draw": "exact"},
        {"noise_pattern": "instance", "noise_ratio": 0.3},
        {"reduction": "PCA"},
        {"reduction": "LDA", "noise_pattern": "sym", "noise_ratio": 0.2},
        {"reduction": "fLDA", "noise_pattern": "sym", "noise_ratio": 0.2},
        {"num_subsamples": 48, "noise_pattern": "sym", "noise_ratio": 0.3},
        {"imbalance_ratio": 0.4},
        {"imbalance_ratio": 0.5, "num_subsamples": 45, "reduction": "PCA"},
    ],
    ids=lambda how: " ".join(map(str, how.values())) or "plain",
)
@pytest.mark.parametrize("method", ["kNN", "ANN", "WANN"])
def test_each_row_is_judged_by_the_others(tmp_path: Path, method: str, how: dict[str, Any]) -> None:
    write(tmp_path)
    scenario = asked(method=method, **how)
    report = run(scenario, database_root=tmp_path)
    ready = report.prepared
    assert ready.leave_one_out
    predictions, ks = expected(scenario, ready.rows, ready.labels)
    assert report.predictions.tolist() == predictions[method]
    assert ready.adaptive_k.tolist() == ks.tolist()
    # Judged by what is known of their true classes, not by the noise.
    y = rows()[1][ready.rows]
    assert np.array_equal(ready.y_test, y)
    assert report.metrics.accuracy == np.mean(predictions[method] == y)
    assert np.array_equal(ready.test_ids, ready.rows * 2)
    assert np.array_equal(ready.row_ids, ready.test_ids)
    assert len(ready.X_test) == len(ready.X_train) == len(ready.labels)
    assert any("judged by the others" in note for note in ready.notes)
    assert ((report.confidence > 0) & (report.confidence <= 1)).all()


def test_a_row_is_not_among_its_own_neighbors(tmp_path: Path) -> None:
    write(tmp_path, n=10)
    for method in ("kNN", "ANN", "WANN"):
        scenario = Scenario("lone", "tiny", method=method, k=99, k_min=3, k_max=99)
        report = run(scenario, database_root=tmp_path)
        ids = report.prepared.graph.test_ids
        assert ids is not None
        assert ids.shape == (10, 9)
        assert not (ids == np.arange(10)[:, None]).any()
        assert report.voters.max() <= 9
        if method == "kNN":
            assert set(report.voters) == {9}


def test_known_true_labels_judge(tmp_path: Path) -> None:
    y = rows()[1]
    clean = y.copy()
    clean[:9] = (y[:9] + 1) % CLASSES
    write(tmp_path, clean=clean)
    report = run(asked(method="kNN"), database_root=tmp_path)
    assert report.prepared.noise_ratio == 9 / N
    assert np.array_equal(report.prepared.labels, y)
    assert np.array_equal(report.prepared.y_test, clean)
    assert report.metrics.accuracy == np.mean(report.predictions == clean)
    counts = np.zeros((CLASSES, CLASSES))
    np.add.at(counts, (clean, y), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(report.prepared.transition_matrix, shares)


def test_true_labels_of_test_rows_judge_too(tmp_path: Path) -> None:
    X, y = rows()
    test = Split(X[:6], y[:6], np.arange(6), (y[:6] + 1) % CLASSES)
    write(tmp_path, test=test)
    report = run(asked(method="kNN", k=1), database_root=tmp_path)
    assert not report.prepared.leave_one_out
    assert np.array_equal(report.predictions, y[:6])  # each is its own nearest row
    assert report.metrics.accuracy == 0


def test_nothing_is_computed_twice(tmp_path: Path, builds: list[tuple[int, ...]]) -> None:
    write(tmp_path)
    ready = prepare(asked(), database_root=tmp_path)
    assert ready.X_test is ready.X_train
    assert ready.graph.test_ids is ready.graph.train_ids
    prepare(asked(noise_pattern="sym", noise_ratio=0.2), database_root=tmp_path)
    assert builds == [(N, 6)]


def test_a_lost_test_split_is_no_leave_one_out(tmp_path: Path) -> None:
    X, y = rows()
    place = write(tmp_path, test=Split(X, y, np.arange(N)))
    (place / "test.npz").unlink()
    with pytest.raises(WannError, match=r"test\.npz does not exist"):
        datasets.load("lone", "tiny", tmp_path)


def test_without_a_manifest_test_rows_may_be_missing_too(tmp_path: Path) -> None:
    (write(tmp_path) / database.MANIFEST).unlink()
    assert ("lone", "tiny") in datasets.available(tmp_path)
    assert datasets.load("lone", "tiny", tmp_path).test is None


@pytest.mark.parametrize("method", LOGISTIC)
def test_logistic_regression_needs_test_rows(tmp_path: Path, method: str) -> None:
    write(tmp_path)
    with pytest.raises(WannError, match="needs test rows, which data set 'lone' does not have"):
        run(asked(method=method), database_root=tmp_path)

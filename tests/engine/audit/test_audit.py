"""Which labels look wrong: the table, duplicates, what is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.blobs import N_CLASSES, blobs, dataset, noisy_blobs
from wann_core import WannError, add_noise, datasets
from wann_core.audit.arrays import audit_labels
from wann_core.audit.judging.duplicates import mixed_groups, near_duplicates, outlier_score
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.rows import labeled_rows
from wann_core.audit.label_audit import audit, judge
from wann_core.audit.result import Audit
from wann_core.audit.scores import score_labels
from wann_core.class_table import ClassTable
from wann_core.datasets.dataset import Dataset, Split
from wann_core.neighbors.graph import NeighborGraph


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit(noisy_blobs()[0])


def test_a_preview_is_what_the_neighbors_alone_say() -> None:
    data, previews = noisy_blobs()[0], []
    whole = audit(data, preview=previews.append)
    (early,) = previews
    pd.testing.assert_frame_equal(early.table, audit(data, probe=False).table)
    assert early.evidence.probe is None and whole.evidence.probe is not None
    audit(data, probe=False, preview=previews.append)
    assert len(previews) == 1


def test_table_is_complete(found: Audit) -> None:
    table = found.table
    assert list(table) == [
        "split",
        "row",
        "name",
        "given_label",
        "predicted_label",
        "given_label_id",
        "predicted_label_id",
        "label_score",
        "is_label_issue",
        "reliability",
        "adaptive_k",
        "given_share",
        "predicted_share",
        "same_class_distance",
        "near_duplicate_group",
        "near_duplicate_conflict",
        "in_train_and_test",
        "outlier_score",
        "judgeable",
        "note",
    ]
    assert len(table) == len(found.rows)
    assert table["is_label_issue"].sum() == found.noise.count
    issues = table["is_label_issue"]
    assert table.loc[issues, "label_score"].max() <= table.loc[~issues, "label_score"].min()
    assert found.ranked()["label_score"].is_monotonic_increasing
    np.testing.assert_allclose(table["reliability"] * table["adaptive_k"], 1)
    letters = np.array(list("abcd"))
    assert (letters[table["given_label_id"]] == table["given_label"]).all()
    assert (letters[table["predicted_label_id"]] == table["predicted_label"]).all()


def test_unlabeled_rows_are_left_out() -> None:
    X, y = blobs(200)
    more = Split(X[:50] + 1, np.full(50, -1), np.arange(50))
    data = dataset(X, y)
    with_them = dataclasses.replace(data, unlabeled=more, val=more)
    np.testing.assert_array_equal(
        audit(data, probe=False).table, audit(with_them, probe=False).table
    )


def test_rows_keep_split_id_and_name() -> None:
    X, y = blobs(90)
    train = Split(X[:50], y[:50], np.arange(50)[::-1].copy(), names=[f"{i}.png" for i in range(50)])
    val = Split(X[50:70], y[50:70], np.arange(100, 120))
    test = Split(X[70:], y[70:], np.arange(20))
    data = Dataset("blobs", "none", tuple("abcd"), train, test, val)
    table = audit(data, probe=False).table
    assert table["split"].tolist() == ["train"] * 50 + ["val"] * 20 + ["test"] * 20
    assert table["row"].tolist() == [*range(49, -1, -1), *range(100, 120), *range(20)]
    assert table["name"].tolist() == [*train.names, *[""] * 40]  # type: ignore[misc]


def test_names_that_are_no_text_are_shown_escaped() -> None:
    X, y = blobs(60)
    train = Split(X, y, np.arange(60), names=["\udcff.png", *[f"{i}.png" for i in range(59)]])
    table = audit(Dataset("blobs", "none", tuple("abcd"), train, None), probe=False).table
    assert table["name"].tolist()[:2] == ["\\udcff.png", "0.png"]


def test_duplicates_across_splits_and_labels_are_found() -> None:
    X, y = blobs(120)
    X[1], y[1] = X[0], (y[0] + 1) % N_CLASSES
    X[101], y[101] = X[2] + 1e-4, y[2]
    train = Split(X[:100], y[:100], np.arange(100))
    data = Dataset("blobs", "none", tuple("abcd"), train, Split(X[100:], y[100:], np.arange(20)))
    table = audit(data, probe=False).table
    groups = table["near_duplicate_group"]
    assert np.flatnonzero(groups >= 0).tolist() == [0, 1, 2, 101]
    assert groups[0] == groups[1] != groups[2] == groups[101]
    assert np.flatnonzero(table["near_duplicate_conflict"]).tolist() == [0, 1]
    assert np.flatnonzero(table["in_train_and_test"]).tolist() == [2, 101]


def test_distance_to_the_same_class() -> None:
    X, y = blobs(400)
    X[:, 0] += 100 * (y == 2)
    y[5] = 2 if y[5] != 2 else 1  # alone among another class
    table = audit(dataset(X, y), probe=False).table
    Z = labeled_rows(dataset(X, y)).X.astype(float)
    apart = np.linalg.norm(Z[:, None] - Z[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    near = np.argsort(apart, axis=1)[:, :51]
    for row in range(0, 400, 5):
        same = [apart[row, j] for j in near[row] if y[j] == y[row]]
        expected = min(same) if same else np.nan
        np.testing.assert_allclose(table["same_class_distance"][row], expected, rtol=1e-4)
    assert np.isnan(table["same_class_distance"][5])


def test_chain_of_duplicates_is_one_group() -> None:
    ids = np.array([[1, 2], [0, 2], [1, 0], [4, 0], [3, 0]])
    distances = np.array([[0.1, 0.2], [0.1, 0.1], [0.1, 0.2], [4.0, 9.0], [4.0, 9.0]])
    distances[[0, 1, 2], 0] = 0
    groups = near_duplicates(ids, distances)
    assert groups.tolist() == [0, 0, 0, -1, -1]
    assert mixed_groups(groups, np.array([1, 1, 2, 1, 2])).tolist() == [True] * 3 + [False] * 2


def test_far_rows_are_outliers() -> None:
    X, _ = blobs(200)
    X[7] += 50
    score = outlier_score(NeighborGraph.build(X, k=51).train_distances)
    assert score.argmin() == 7 and score[7] < 0.01
    assert np.median(score) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rows", [3, 5, 20])
def test_few_rows_are_judged(rows: int) -> None:
    X, y = blobs(rows)
    y[:2] = 0, 1
    table = audit(dataset(X, y), probe=False).table
    assert len(table) == rows
    assert table["label_score"].between(0, 1).equals(table["judgeable"])


def test_equal_rows_are_judged() -> None:
    X, y = blobs(60)
    table = audit(dataset(np.ones_like(X), y), probe=False).table
    assert table["near_duplicate_group"].eq(0).all()
    assert np.isfinite(table["label_score"]).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [([0, 0, 0, 0], "got 4 of 1"), ([0, 1], "got 2 of 2")],
)
def test_too_little_is_refused(y: list[int], message: str) -> None:
    X, _ = blobs(len(y))
    with pytest.raises(WannError, match=message):
        audit(dataset(X, np.array(y)))


def test_scores_are_checked(found: Audit) -> None:
    data = noisy_blobs(100)[0]
    with pytest.raises(WannError, match="`score` must be one of combined"):
        audit(data, score="best")
    with pytest.raises(WannError, match="cannot be had without a probe"):
        audit(data, score="probe", probe=False)
    with pytest.raises(WannError, match="`score` must be one of"):
        score_labels(found.evidence, "best")


def test_progress_may_stop_it() -> None:
    def stop(done: float, total: float, text: str) -> None:
        raise KeyboardInterrupt(text)

    with pytest.raises(KeyboardInterrupt, match="searching neighbors"):
        audit(noisy_blobs(100)[0], progress=stop)


def test_digits_with_flips_rank_their_flips_first() -> None:
    rows = labeled_rows(datasets.load("digits", "pixels"))
    flips = add_noise(rows.labels, "sym", 0.1, rng=np.random.RandomState(0), draw="exact")
    rows = dataclasses.replace(rows, labels=flips.labels)
    graph = NeighborGraph.build(rows.X, k=51)
    found = judge(rows, Evidence(graph, rows.labels, 10))
    wrong = flips.labels != labeled_rows(datasets.load("digits", "pixels")).labels
    assert found.noise.low <= wrong.sum() <= found.noise.high
    issues = found.table["is_label_issue"].to_numpy()
    assert (issues & wrong).sum() > 0.9 * max(issues.sum(), wrong.sum())


def test_the_only_row_of_a_class_is_marked_not_judged(tmp_path: Path) -> None:
    X, labels = blobs(400, apart=8.0)
    labels[7] = 3
    labels = np.where((labels == 3) & (np.arange(400) != 7), 2, labels)
    found = audit(dataset(X, labels), probe=False)
    assert found.table.index[~found.table["judgeable"]].tolist() == [7]
    assert not found.table["is_label_issue"][7] and np.isnan(found.table["label_score"][7])
    assert found.ranked().index[-1] == 7
    assert found.table["predicted_label"][7] == found.table["given_label"][7]
    assert found.noise.rows == 399 and found.not_judged == 1
    assert "1 label is not judged" in found.notes[0]
    found.to_csv(tmp_path / "issues.csv")
    line = (tmp_path / "issues.csv").read_text().splitlines()[-1]
    assert line.endswith("not judged: no other row or group has this label")
    found.to_html(tmp_path / "issues.html")
    assert "1 label is not judged" in (tmp_path / "issues.html").read_text()
    # Of one group, too: its rows have no other to speak for them.
    codes = np.where(labels == 2, 0, 1 + np.arange(400))
    grouped = audit(dataset(X, labels), probe=False, groups=codes)
    assert grouped.not_judged == 1 + (labels == 2).sum()


@pytest.mark.parametrize("alone", [1, 3])
def test_where_no_probe_can_be_fitted_the_audit_goes_on_and_a_note_says_so(alone: int) -> None:
    """One class of a single row, or of a single group, beside another class."""
    X, _ = blobs(60)
    labels = np.where(np.arange(60) < alone, 1, 0)
    groups = None if alone == 1 else np.maximum(np.arange(60), alone - 1)
    with_probe, without = (
        audit(dataset(X, labels), probe=probe, groups=groups) for probe in (True, False)
    )
    assert with_probe.evidence.probe is None and with_probe.not_judged == alone
    assert any("No logistic regression takes part" in note for note in with_probe.notes)
    pd.testing.assert_frame_equal(with_probe.table, without.table)
    arrays = audit_labels(X, labels, groups=groups)
    assert arrays.evidence.probe is None and arrays.notes == with_probe.notes
    with pytest.raises(WannError, match="needs a probe, and there is none"):
        audit(dataset(X, labels), score="probe", groups=groups)


@pytest.mark.slow
def test_a_thousand_classes() -> None:
    rng = np.random.RandomState(0)
    n_classes, n = 1000, 10_000
    y = np.arange(n) % n_classes
    X = (3 * rng.randn(n_classes, 16)[y] + rng.randn(n, 16)).astype(np.float32)
    given = np.where(rng.rand(n) < 0.1, rng.randint(n_classes, size=n), y)
    names = tuple(str(c) for c in range(n_classes))
    data = Dataset("many", "none", names, Split(X, given, np.arange(n)), None)
    found = audit(data, probe=False)
    wrong = given != y
    assert found.noise.low <= wrong.sum() <= found.noise.high
    assert abs(found.noise.count - wrong.sum()) < 0.25 * wrong.sum()
    listed = found.ranked()["row"].to_numpy()[: wrong.sum()]
    assert wrong[listed].mean() > 0.8
    assert isinstance(found.evidence.posterior, ClassTable)


def test_a_chain_is_no_group_of_near_duplicates() -> None:
    rng = np.random.RandomState(0)
    X = rng.randn(200, 8)
    usual = np.median(NeighborGraph.build(X.astype(np.float32), k=1).train_distances)
    chain = X[0] + np.arange(30)[:, None] * np.eye(8)[0] * usual * 0.1
    X = np.r_[X, chain].astype(np.float32)
    graph = NeighborGraph.build(X, k=51)
    nearest = graph.train_distances[:, 0]
    limit = 0.13 * np.median(nearest[nearest > 0])
    groups = near_duplicates(graph.train_ids, graph.train_distances)
    for group in range(groups.max() + 1):
        rows = np.flatnonzero(groups == group)
        apart = np.linalg.norm(X[rows] - X[rows[0]], axis=1)
        assert len(rows) > 1 and apart.max() <= limit * 1.001
    assert len(np.unique(groups[200:])) > 8
    assert near_duplicates(graph.train_ids, graph.train_distances, near=1e-4).max() == 0
    with pytest.raises(WannError, match="near"):
        near_duplicates(graph.train_ids, graph.train_distances, near=2.0)


def test_copies_are_one_group_however_many() -> None:
    X = np.r_[np.zeros((120, 4)), np.random.RandomState(0).randn(50, 4) + 5].astype(np.float32)
    graph = NeighborGraph.build(X, k=51)
    groups = near_duplicates(graph.train_ids, graph.train_distances)
    assert (groups[:120] == 0).all() and (groups[120:] == -1).all()

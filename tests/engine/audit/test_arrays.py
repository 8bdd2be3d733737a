"""The audit of plain arrays, whatever they are made of."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from tests.helpers.blobs import blobs
from wann_core import datasets
from wann_core.audit.arrays import audit_labels, find_outliers
from wann_core.audit.estimator import LabelAuditor
from wann_core.audit.judging.groups import (
    deal_by_group,
    graph_without_groups,
    group_codes,
    units_of,
)
from wann_core.audit.label_audit import audit
from wann_core.audit.result import Audit
from wann_core.audit.reviewing.known_flips import known_flips
from wann_core.audit.user_labels import class_ids
from wann_core.datasets.dataset import Dataset, Split
from wann_core.errors import WannError
from wann_core.neighbors.graph import NeighborGraph


def flipped_digits(rows: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, given labels, and which are wrong."""
    data = datasets.load("digits", "pixels")
    X, y = data.train.X[:rows], data.train.y[:rows]
    rng = np.random.default_rng(0)
    wrong = np.zeros(rows, bool)
    wrong[rng.choice(rows, rows // 10, replace=False)] = True
    return X, np.where(wrong, (y + rng.integers(1, 10, rows)) % 10, y), wrong


@pytest.fixture(scope="module")
def digits() -> Audit:
    X, given, _ = flipped_digits()
    return audit_labels(X, given)


def test_equal_to_the_audit_of_the_same_rows_to_the_bit() -> None:
    data = datasets.load("digits", "pixels")
    whole = audit(data, probe=False)
    X = np.concatenate([data.train.X, data.test.X]) if data.test else data.train.X
    y = np.concatenate([data.train.y, data.test.y]) if data.test else data.train.y
    names = [data.class_names[label] for label in y]
    found = audit_labels(X, names, class_names=data.class_names, probe=False)
    same = [c for c in whole.table if c not in ("split", "row", "in_train_and_test")]
    pd.testing.assert_frame_equal(found.table[same], whole.table[same])
    assert found.noise.count == whole.noise.count


def test_issues_are_ranked_and_indexed_by_position(digits: Audit) -> None:
    _, _, wrong = flipped_digits()
    issues = digits.issues
    assert len(issues) == 600
    assert wrong[issues.index[: wrong.sum()]].mean() > 0.9
    assert issues["is_label_issue"].to_numpy()[: digits.noise.count].all()
    assert not issues["is_label_issue"].to_numpy()[digits.noise.count :].any()


def test_weights_and_soft_labels(digits: Audit) -> None:
    _, _, wrong = flipped_digits()
    assert digits.weights.shape == (600,)
    assert digits.weights[wrong].mean() < 0.3 < 0.8 < digits.weights[~wrong].mean()
    assert digits.soft_labels.shape == (600, 10)
    np.testing.assert_allclose(digits.soft_labels.sum(axis=1), 1)


def test_shows_itself(digits: Audit) -> None:
    assert "labels in 10 classes" in repr(digits)
    assert f"about {digits.noise.count:,} look wrong" in repr(digits)
    assert digits._repr_html_().count("<tr>") == 11


@pytest.mark.parametrize(
    "make",
    [
        lambda y: [f"class {label}" for label in y],
        lambda y: pd.Series(y, index=range(1000, 1000 + len(y))),
        lambda y: pd.Categorical([f"c{label}" for label in y]),
        lambda y: (y * 7).astype(np.int8),
        lambda y: y.astype(object),
    ],
    ids=["list of text", "series", "categorical", "ints with holes", "objects"],
)
def test_labels_of_any_type(make: object, digits: Audit) -> None:
    X, given, _ = flipped_digits()
    found = audit_labels(pd.DataFrame(X), make(given))  # type: ignore[operator]
    assert found.issues.index.tolist() == digits.issues.index.tolist()


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    X, y, _ = flipped_digits(200)
    found = audit_labels(torch.tensor(X), torch.tensor(y), probe=False)
    assert found.issues.index.tolist() == audit_labels(X, y, probe=False).issues.index.tolist()


def test_rows_without_a_label_have_weight_0_and_soft_labels() -> None:
    X, given, _ = flipped_digits(300)
    labels = [None if i % 10 == 0 else int(label) for i, label in enumerate(given)]
    found = audit_labels(X, labels, probe=False)
    assert len(found.issues) == 270 and found.weights.shape == (300,)
    assert (found.weights[::10] == 0).all()
    likeliest = found.soft_labels[::10].argmax(axis=1)
    clean = datasets.load("digits", "pixels").train.y[:300:10]
    assert (likeliest == clean).mean() > 0.7
    assert set(found.outliers()["position"]) == set(range(300))


def test_outliers_of_rows_without_any_label() -> None:
    X = np.random.default_rng(0).normal(size=(100, 4))
    X[7] += 40
    found = find_outliers(X, ids=[f"row {i}" for i in range(100)])
    assert found.iloc[0][["position", "name"]].tolist() == [7, "row 7"]
    assert found["outlier_score"].is_monotonic_increasing


def test_duplicates_are_listed_by_group() -> None:
    X, y = blobs(100)
    X, y = np.concatenate([X, X[:2]]), np.concatenate([y, [y[0], (y[1] + 1) % 4]])
    found = audit_labels(X, y, probe=False).duplicates()
    assert sorted(found["position"]) == [0, 1, 100, 101]
    assert found[found["position"].isin([1, 101])]["conflict"].all()


@pytest.mark.slow
def test_probabilities_of_another_model_speak_too_and_alone() -> None:
    X, given, wrong = flipped_digits()
    model = LogisticRegression(max_iter=500, C=0.01)
    probabilities = cross_val_predict(model, X, given, cv=5, method="predict_proba")
    for found in (
        audit_labels(X, given, pred_probs=probabilities),
        audit_labels(None, given, pred_probs=probabilities),
    ):
        assert wrong[found.issues.index[: wrong.sum()]].mean() > 0.75
    assert found.table["outlier_score"].isna().all()
    assert found.duplicates().empty
    with pytest.raises(WannError, match="need `embeddings`"):
        found.outliers()


def test_a_graph_of_ones_own() -> None:
    X, given, _ = flipped_digits(300)
    searched = audit_labels(X, given, probe=False)
    graph = searched.evidence.graph
    for own in (graph, (graph.train_ids, graph.train_distances)):
        found = audit_labels(X, given, graph=own, probe=False)
        pd.testing.assert_frame_equal(found.table, searched.table)


WRONG = {
    "rows": ({"labels": [0, 1] * 10}, "`embeddings` must have one row a label"),
    "nothing": ({"embeddings": None}, "needs `embeddings`, `pred_probs` or a `graph`"),
    "nan": ({"embeddings": np.full((30, 2), np.nan)}, "finite"),
    "one class": ({"labels": [1] * 30}, "of 1"),
    "two columns": ({"labels": np.zeros((30, 2))}, "one column"),
    "probabilities": ({"pred_probs": np.ones((30, 3))}, "30 × 2"),
    "negative": ({"pred_probs": np.full((30, 2), -0.5)}, "from 0"),
    "groups": ({"groups": ["a"] * 30}, "at least 2 groups"),
    "few groups": ({"groups": ["a", "b"]}, "one value a row"),
    "graph": ({"graph": (np.zeros((30, 3), int), np.zeros((30, 3)))}, "no row itself"),
    "ids": ({"ids": ["a"]}, "one entry a label"),
    "names": ({"class_names": ["a"]}, "among the 1 `class_names`"),
    "score": ({"score": "best"}, "score"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_cannot_be_served_is_one_sentence(wrong: tuple[dict[str, object], str]) -> None:
    given = {
        "embeddings": np.random.default_rng(0).normal(size=(30, 2)),
        "labels": [0, 1] * 15,
        "probe": False,
    }
    with pytest.raises(WannError, match=wrong[1]):
        audit_labels(**{**given, **wrong[0]})  # type: ignore[arg-type]


def test_rows_of_a_group_are_no_neighbors() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6)).astype(np.float32)
    codes = np.concatenate([np.arange(300) // 3, np.full(100, 100)])
    found = graph_without_groups(X, codes, 20)
    assert (codes[found.train_ids] != codes[:, None]).all()
    apart = np.linalg.norm(X[:, None] - X[None], axis=2)
    apart[codes[:, None] == codes] = np.inf
    expected = np.sort(apart, axis=1)[:, :20]
    np.testing.assert_allclose(found.train_distances, expected, rtol=1e-5)


def test_groups_are_dealt_whole_and_evenly() -> None:
    codes = np.repeat(np.arange(60), 5)
    labels = np.repeat(np.arange(3), 100)
    folds = deal_by_group(codes, labels)
    assert all(len(np.unique(folds[codes == group])) == 1 for group in range(60))
    counts = np.array([[((folds == f) & (labels == c)).sum() for c in range(3)] for f in range(5)])
    assert (counts == 20).all()


def test_mixed_groups_are_judged_row_by_row() -> None:
    X, given, _ = flipped_digits(400)
    mixed = audit_labels(X, given, groups=np.arange(400) // 40, probe=False)
    assert mixed.evidence.units is None and mixed.table["label_score"].nunique() > 200
    # One group of one label among single rows is a unit, the other rows are judged alone.
    codes = np.where(given == 3, 0, 1 + np.arange(400))
    units = units_of(codes, given)
    assert units is not None and units.max() + 1 == 400 - (given == 3).sum() + 1


def test_groups_of_a_data_set_are_those_of_its_arrays() -> None:
    X, given, _ = flipped_digits(200)
    groups = [f"p{i // 7}" for i in range(200)]
    names = tuple(str(c) for c in range(10))
    data = Dataset("some", "pixels", names, Split(X, given, np.arange(200)), None)
    by_data = audit(data, probe=False, groups=groups)
    by_arrays = audit_labels(X, given, class_names=names, probe=False, groups=groups)
    pd.testing.assert_frame_equal(by_data.table, by_arrays.table)
    with pytest.raises(WannError, match="one value a row"):
        audit(data, groups=groups[:5])


def test_labels_that_none_can_judge_are_refused() -> None:
    X = np.random.RandomState(0).randn(40, 4)
    y = np.arange(40) // 20
    with pytest.raises(WannError, match="every class is found in one group only"):
        audit_labels(X, y, groups=y, probe=False)
    each = Split(X, np.arange(40), np.arange(40))
    data = Dataset("some", "pixels", tuple(map(str, range(40))), each, None)
    with pytest.raises(WannError, match="every class is found in one row only"):
        audit(data, probe=False)


def test_missing_groups_are_groups_of_their_own() -> None:
    assert group_codes(pd.Series(["a", None, "a", None]), 4).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("probe", [True, False])
def test_wrong_labels_of_whole_groups_are_found(probe: bool) -> None:
    rng = np.random.RandomState(0)
    patients, per = 40, 60
    label = np.arange(patients) % 4
    centers = rng.randn(4, 16) * 1.2
    person = centers[label] + rng.randn(patients, 16)
    patient = np.repeat(np.arange(patients), per)
    X = person[patient] + 0.3 * rng.randn(patients * per, 16)
    wrong = np.isin(patient, [0, 5, 10, 15])
    given = np.where(wrong, (label[patient] + 1) % 4, label[patient])
    found = audit_labels(X, given, groups=patient, probe=probe)
    assert wrong[found.issues.index[:240]].sum() >= 235
    assert found.noise.low <= 240 <= found.noise.high and abs(found.noise.count - 240) < 60
    np.testing.assert_allclose(found.noise.transition_matrix.sum(axis=1), 1)
    # Each group bears one label, so that it has one score and is flagged as a whole.
    one = found.table.groupby(patient)[["label_score", "is_label_issue"]].nunique()
    assert (one == 1).all(axis=None)
    # Flips on purpose are flips of whole groups, too.
    flipped = known_flips(found, ratio=0.1, scores=("combined",)).flipped
    assert flipped.sum() == 240 and (pd.Series(flipped).groupby(patient).nunique() == 1).all()
    # Neighbors that may be of the row's own group repeat its mistake.
    blind = audit_labels(X, given, probe=probe, score="neighbors")
    assert wrong[blind.issues.index[:240]].sum() < 120


def test_order_of_classes() -> None:
    assert class_ids(["b", "a", float("nan"), "b"])[1] == ("a", "b")
    assert class_ids([10, 9, -1])[1] == ("-1", "9", "10")
    assert class_ids([True, False])[1] == ("False", "True")
    assert class_ids(["10", "9"], ["9", "10"])[0].tolist() == [1, 0]


def test_report_is_one_safe_file(tmp_path: Path) -> None:
    X, given, _ = flipped_digits(200)
    names = ["<script>alert(1)</script>", *map(str, range(1, 9)), "\u202egnp.exe"]
    found = audit_labels(X, given, class_names=names, ids=[f"<i>{i}" for i in range(200)])
    path = tmp_path / "report.html"
    found.to_html(path, picture=lambda row: b"\xff\xd8" if row % 2 else None)
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text and "<i>" not in text and "\u202e" not in text
    assert "&lt;i&gt;" in text
    assert "default-src 'none'" in text and "http://" not in text and "https://" not in text
    assert path.stat().st_size < 5_000_000
    assert "data:image/jpeg;base64," in text


def test_report_warns_first_and_lists_duplicates(tmp_path: Path) -> None:
    X, given, _ = flipped_digits(300)
    X, given = np.concatenate([X, X[:3]]), np.concatenate([given, (given[:3] + 1) % 10])
    found = audit_labels(X, given, ids=[f"r{i}" for i in range(303)], probe=False)
    found.to_html(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The 200 most doubtful of 303 labels" in text
    assert "All of these groups:" in text and text.count("different labels</td>") == 3
    assert all(f">r{i}</span>" in text.partition("All of these")[2] for i in (0, 1, 2, 300, 302))
    noise = np.random.default_rng(0).normal(size=(200, 5))
    audit_labels(noise, np.arange(200) % 10, probe=False).to_html(tmp_path / "bad.html")
    bad = (tmp_path / "bad.html").read_text(encoding="utf-8")
    assert 0 < bad.index('class="warning"') < bad.index('class="cards"')


def test_tables_are_written(digits: Audit, tmp_path: Path) -> None:
    digits.to_csv(tmp_path / "issues.csv")
    digits.to_parquet(tmp_path / "issues.parquet")
    table = pd.read_csv(tmp_path / "issues.csv")
    assert table["row"].tolist() == digits.issues.index.tolist()
    assert len(pd.read_parquet(tmp_path / "issues.parquet")) == 600


def test_estimator_serves_in_a_pipeline() -> None:
    X, given, wrong = flipped_digits(400)
    text = np.array([f"digit {label}" for label in given])
    auditor = LabelAuditor(probe=False).fit(X, text)
    assert auditor.sample_weight_[wrong].mean() < auditor.sample_weight_[~wrong].mean()
    assert auditor.classes_[0] == "digit 0" and auditor.soft_labels_.shape == (400, 10)
    assert auditor.is_issue_.sum() == auditor.audit_.noise.count
    np.testing.assert_array_equal(auditor.transform(X), X)
    json.dumps(auditor.get_params())


def test_neighbor_graph_of_labeled_rows_only() -> None:
    X, given, _ = flipped_digits(100)
    graph = NeighborGraph.build(X, k=10)
    with pytest.raises(WannError, match="90 labeled rows"):
        audit_labels(X, [None] * 10 + given[10:].tolist(), graph=graph)

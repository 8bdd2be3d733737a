"""Labels of several annotators: what is read of them, and what becomes of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.blobs import N_CLASSES, blobs
from wann_core import WannError, consensus
from wann_core.audit.annotators.agreement import krippendorff
from wann_core.audit.annotators.annotations import annotations_of
from wann_core.audit.annotators.consensus import Consensus
from wann_core.audit.annotators.crowd import fit_crowd
from wann_core.typing import Array

ROWS, BAD = 800, "p7"
CLASSES = ("ant", "bee", "cat", "dog")


def crowd(rows: int = ROWS, per_row: int = 3) -> tuple[Array, Array, pd.DataFrame]:
    """Overlapping classes labeled by ten people, of whom p7 errs three times as often."""
    X, true = blobs(rows, apart=2.5)
    rng = np.random.default_rng(0)
    lines = []
    for i in range(rows):
        for j in rng.permutation(10)[:per_row].tolist():
            wrong = rng.random() < (0.6 if j == 7 else 0.2)
            label = (true[i] + rng.integers(1, N_CLASSES)) % N_CLASSES if wrong else true[i]
            lines.append((i, f"p{j}", CLASSES[label]))
    return X, true, pd.DataFrame(lines, columns=["row", "annotator", "label"])


@pytest.fixture(scope="module")
def found() -> Consensus:
    X, _, table = crowd()
    return consensus(X, table, class_names=CLASSES)


def test_embeddings_and_labels_beat_either_alone(found: Consensus) -> None:
    _, true, table = crowd()
    given = annotations_of(table, None, class_names=CLASSES)
    wrong = {
        "majority": given.counts.argmax(axis=1) != true,
        "labels": fit_crowd(given, weigh=False).posterior.argmax(axis=1) != true,
        "rows": found.audit.evidence.shares.argmax(axis=1) != true if found.audit else true > 0,
        "all": found.labels != true,
    }
    errors = {name: int(rows.sum()) for name, rows in wrong.items()}
    assert errors["all"] < min(errors["labels"], errors["rows"]) < errors["majority"], errors
    assert found.expected_wrong == pytest.approx(errors["all"], abs=15)


def test_the_bad_annotator_stands_first_and_the_intervals_hold(found: Consensus) -> None:
    _, true, table = crowd()
    right = table["label"].to_numpy() == np.array(CLASSES)[true[table["row"]]]
    real = pd.Series(right).groupby(table["annotator"].to_numpy()).mean()
    who = found.annotators
    assert who["annotator"][0] == BAD and who["high"][0] < who["low"][1:].min()
    inside = who["low"].to_numpy() <= real[who["annotator"]].to_numpy()
    inside &= real[who["annotator"]].to_numpy() <= who["high"].to_numpy()
    assert inside.sum() >= 9
    assert who["n_labels"].sum() == len(table)
    confusion = found.confusion(BAD)
    assert np.diag(confusion).mean() == pytest.approx(real[BAD], abs=0.06)
    np.testing.assert_allclose(confusion.sum(axis=1), 1)
    with pytest.raises(WannError, match=r"must be one of p0, p1.*'nobody'"):
        found.confusion("nobody")


def test_another_label_is_asked_for_where_it_helps_of_whom_gave_none(found: Consensus) -> None:
    _, true, table = crowd()
    asked = found.label_again(40)
    assert len(asked) == 40 and asked["gain"].is_monotonic_decreasing
    at = asked["position"].to_numpy()
    assert (found.labels != true)[at].mean() > 5 * (found.labels != true).mean()
    before = set(zip(table["row"], table["annotator"], strict=True))
    assert not before & set(zip(at, asked["annotator"], strict=True))
    assert BAD not in set(asked["annotator"]) and "" not in set(asked["annotator"])


def test_who_has_labeled_all_is_not_asked_again() -> None:
    X, true = blobs(120, apart=2.5)
    wide = pd.DataFrame({"a": true, "b": np.roll(true, 1)})
    assert set(consensus(X, wide).label_again(5)["annotator"]) == {""}


def test_rows_without_any_label_follow_their_neighbors() -> None:
    X, true, table = crowd(300)
    table = table[table["row"] >= 30]
    found = consensus(X, table, class_names=CLASSES)
    assert (found.table["n_labels"][:30] == 0).all() and (found.table["agreeing"][:30] == 0).all()
    assert (found.labels[:30] == true[:30]).mean() > 0.7
    np.testing.assert_allclose(found.soft_labels.sum(axis=1), 1)


def test_one_label_a_row_is_judged_by_the_other_rows() -> None:
    X, true, table = crowd(per_row=1)
    found = consensus(X, table, class_names=CLASSES)
    given = np.array([CLASSES.index(label) for label in table["label"]])
    assert (found.labels != true).sum() < 0.7 * (given != true).sum()
    assert np.isnan(found.agreement.alpha) and found.agreement.rows == 0


def test_labels_alone_need_rows_with_several() -> None:
    _, true, table = crowd(200)
    found = consensus(None, table)
    assert found.audit is None and (found.labels == true).mean() > 0.85
    with pytest.raises(WannError, match="nothing else shows which annotator is right"):
        consensus(None, table.drop_duplicates("row"))


def test_wide_and_long_tables_say_the_same() -> None:
    _, _, table = crowd(60)
    wide = table.pivot(index="row", columns="annotator", values="label")
    a, b = annotations_of(table, 60), annotations_of(wide.reset_index(drop=True), 60)
    assert a.annotators == b.annotators and a.class_names == b.class_names
    for field in ("row", "annotator", "label"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def test_rows_by_name_and_the_last_of_two_labels() -> None:
    table = pd.DataFrame(
        [("x.png", "a", "cat"), ("y.png", "b", "dog"), ("x.png", "a", "dog"), ("x.png", "b", " ")],
        columns=["row", "annotator", "label"],
    )
    read = annotations_of(table, 2, ids=["y.png", "x.png"])
    assert (read.row.tolist(), read.repeated) == ([0, 1], 1)
    assert [read.class_names[c] for c in read.label] == ["dog", "dog"]


def test_rows_named_by_numbers_are_found_however_these_are_written() -> None:
    table = pd.DataFrame(
        [(7.0, "a", "cat"), (8.0, "b", "dog")], columns=["row", "annotator", "label"]
    )
    for ids in ([8.0, 7.0], [8, 7], ["8 ", " 7"]):
        assert annotations_of(table, 2, ids=ids).row.tolist() == [0, 1]


def test_columns_of_one_name_are_refused() -> None:
    wide = pd.DataFrame([["a", "b"], ["b", "b"]], columns=pd.Index([1, "1"]))
    with pytest.raises(WannError, match="columns of different names"):
        annotations_of(wide, 2)


def test_krippendorffs_own_example() -> None:
    # Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: nominal 0.743.
    nan = np.nan
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    found = krippendorff(annotations_of(np.array(observers).T, 12).counts)
    assert (round(found.alpha, 3), found.rows) == (0.743, 11)
    assert found.low < found.alpha < found.high


LONG = ["row", "annotator", "label"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.full((2, 2), np.nan), "labels of at least 2 annotators, got 0"),
        (np.array([["cat", None], ["dog", None]], object), "at least 2 annotators, got 1; `audit_"),
        (np.array([["cat", "cow"], ["dog", "cat"]]), "must be among the 2 `class_names`.*'cow'"),
        (np.array(["cat", "dog"]), r"one column an annotator.*shape \(2,\)"),
        (np.zeros((3, 2)), r"one row an embedding \(2\), got 3"),
        (pd.DataFrame([(0, None, "cat")], columns=LONG), "name the annotator of each.*line 0"),
        (pd.DataFrame([(2, "a", "cat")], columns=LONG), "positions from 0 to 1, got '2' in line 0"),
        (pd.DataFrame([("x", "a", "cat")], columns=LONG), "from 0 to 1, got 'x' in line 0"),
    ],
)
def test_what_cannot_serve_is_one_sentence(given: Any, says: str) -> None:
    with pytest.raises(WannError, match=says) as refused:
        annotations_of(given, 2, class_names=["cat", "dog"])
    assert refused.value.field == "annotations"


def test_a_column_of_free_text_is_not_taken_for_labels() -> None:
    text = np.array([[f"text {i}", f"text {i + 1}"] for i in range(5000)])
    with pytest.raises(WannError, match=r"at most 4,096 different labels.*free text"):
        annotations_of(text, 5000)

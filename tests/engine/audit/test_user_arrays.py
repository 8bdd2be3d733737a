"""Embeddings and labels of every type that a user may hold them in, and what is refused."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import wann_core as wann
from tests.helpers.blobs import blobs
from wann_core.audit.annotators.consensus import consensus
from wann_core.audit.arrays import audit_labels, find_outliers
from wann_core.audit.estimator import LabelAuditor
from wann_core.audit.reviewing.next_labels import next_to_label
from wann_core.audit.user_labels import class_ids
from wann_core.errors import WannError

NAMES = np.array(["cat", "dog", "emu"])
RNG = np.random.default_rng(0)
Y = np.repeat([0, 1, 2], 20)
X = RNG.normal(size=(60, 4)) + 6 * np.eye(4)[Y]
FRAME = pd.DataFrame(X, columns=list("abcd"))
MASKED = np.ma.masked_array(X, X > 5)


def issues(embeddings: Any, labels: Any = Y, **more: Any) -> pd.DataFrame:
    return audit_labels(embeddings, labels, probe=False, **more).issues


@pytest.mark.parametrize(
    "embeddings",
    [
        X.tolist(),
        np.asfortranarray(X),
        X.astype(">f8"),
        FRAME,
        FRAME.astype("Float64"),
        pd.Series(list(X)),
        pd.Series(X.tolist()),
        np.array(X.tolist(), object),
    ],
    ids=["lists", "Fortran", "big-endian", "frame", "Float64", "arrays", "list column", "objects"],
)
def test_embeddings_of_any_type_mean_the_same(embeddings: Any) -> None:
    pd.testing.assert_frame_equal(issues(embeddings), issues(X))


@pytest.mark.parametrize(
    "labels",
    [
        NAMES[Y].astype(object),
        NAMES[Y].astype("S"),
        pd.Series(NAMES[Y], dtype="category"),
        pd.Series(NAMES[Y], dtype="string", index=Y),
        pd.DataFrame({"label": NAMES[Y]}),
        NAMES[Y][:, None],
        pa.chunked_array([NAMES[Y][:5], NAMES[Y][5:]]),
    ],
    ids=["objects", "bytes", "categories", "strings", "frame", "one column", "Arrow"],
)
def test_labels_of_any_type_mean_the_same(labels: Any) -> None:
    ids, names = class_ids(labels)
    assert ids.tolist() == Y.tolist() and names == ("cat", "dog", "emu")


@pytest.mark.parametrize("kind", [">i4", ">f8", "i1", "u8", "f2"])
def test_numbers_of_any_type_are_the_same_labels(kind: str) -> None:
    ids, names = class_ids(Y.astype(kind))
    assert ids.tolist() == Y.tolist() and names == ("0", "1", "2")


def test_null_of_arrow_means_no_label() -> None:
    assert class_ids(pa.array(["a", None, "b"]))[0].tolist() == [0, -1, 1]


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(X)
    for given in (tensor.requires_grad_(), tensor.detach().to_sparse(), list(tensor.detach())):
        pd.testing.assert_frame_equal(issues(given, torch.tensor(Y)), issues(X))
    assert class_ids([torch.tensor(label) for label in Y])[1] == ("0", "1", "2")


@pytest.mark.parametrize(
    ("embeddings", "labels", "words"),
    [
        ([[1.0], [1.0, 2.0], [3.0]], [0, 0, 1], "`embeddings` .* rows of different lengths"),
        (pd.Series([[1.0], [1.0, 2.0], [3.0]]), [0, 0, 1], "rows of different lengths"),
        (FRAME.assign(name="x"), Y, "got the column 'name' of type"),
        (MASKED, Y, "masked"),
        (np.ones((60, 4)), Y, "the same numbers in all 60 rows"),
        (X, [[0]] * 30 + [[0, 1]] * 30, "`labels` .* rows of different lengths"),
        (X, np.arange(60), "60 different ones in 60 rows; are they ids or measured values"),
        (X, np.zeros(60), "got 60 of 1 class;"),
    ],
)
def test_what_is_refused(embeddings: Any, labels: Any, words: str) -> None:
    with pytest.raises(WannError, match=words):
        issues(embeddings, labels)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ids": "abc"}, "`ids` must be a list, got 'abc'"),
        ({"class_names": 3}, "`class_names` must be a list, got 3"),
        ({"class_names": ["a", "b"]}, "the 2 `class_names` or their ids from 0, got '2'; None"),
        ({"graph": 5}, "a pair .*, got int"),
        ({"graph": (X, X, X)}, "a pair .*, got tuple"),
    ],
)
def test_parameters_that_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(WannError, match=words):
        issues(X, **more)


def test_too_few_rows_for_outliers_are_refused() -> None:
    with pytest.raises(WannError, match="at least 2 rows, got 0"):
        find_outliers(X[:0])


def test_annotations_of_different_lengths_are_refused() -> None:
    with pytest.raises(WannError, match=r"`annotations` .* rows of different lengths"):
        consensus(None, [["a", "b"], ["a"]])


def test_row_names_in_another_order_are_refused() -> None:
    names = [f"img{i}" for i in RNG.permutation(60)]
    frame, labels = FRAME.set_axis(names), pd.Series(Y, index=names)
    assert issues(frame, labels).index.tolist() == issues(X).index.tolist()
    for judge in (lambda X, y: issues(X, y), lambda X, y: next_to_label(X, y, 1)):
        with pytest.raises(WannError, match="the same index in another order"):
            judge(frame, labels.sort_index())
    # An index that counts, as a new frame has, names no rows: they are paired by position.
    assert len(issues(FRAME, labels.sort_index())) == 60


def test_probabilities_by_the_names_of_their_columns() -> None:
    probabilities = pd.DataFrame(RNG.dirichlet(np.ones(3), 60) + 2 * np.eye(3)[Y], columns=NAMES)
    expected = issues(X, NAMES[Y], pred_probs=probabilities.to_numpy())
    shuffled = issues(X, NAMES[Y], pred_probs=probabilities[["emu", "cat", "dog"]])
    pd.testing.assert_frame_equal(shuffled, expected)


def test_minus_one_is_a_class_and_said_to_be() -> None:
    assert audit_labels(X, Y - 1, probe=False).notes[-1].startswith("-1 is judged as a class")
    assert not any("-1" in note for note in audit_labels(X, Y, probe=False).notes)
    assert not any("-1" in n for n in audit_labels(X, 2 * (Y > 0) - 1, probe=False).notes)


@parametrize_with_checks(
    [
        LabelAuditor(probe=False),
        wann.BelievedNeighborsClassifier(),
        wann.CoTeachingClassifier(),
        wann.PosteriorLogisticRegression(),
    ]
)
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def test_every_public_estimator_is_held_to_the_contract() -> None:
    public = {name for name in dir(wann) if _is_estimator(getattr(wann, name))}
    assert public == {
        "ANNClassifier",
        "BelievedNeighborsClassifier",
        "CoTeachingClassifier",
        "KNNClassifier",
        "LabelAuditor",
        "PosteriorLogisticRegression",
        "WANNClassifier",
    }  # those of neighbor votes in tests/engine/methods/test_classifiers.py


def _is_estimator(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseEstimator)


def test_search_over_a_pipeline() -> None:
    rows, labels = blobs(120)
    pipeline = make_pipeline(LabelAuditor(probe=False), LogisticRegression())
    grid = {"labelauditor__score_name": ["neighbors", "wann_share"]}
    search = GridSearchCV(clone(pipeline), grid, cv=2, error_score="raise").fit(rows, labels)
    assert search.score(rows, labels) > 0.5

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.helpers import reference
from wann_core.errors import WannError
from wann_core.methods import classifiers
from wann_core.methods.classifiers import ANNClassifier, KNNClassifier, WANNClassifier
from wann_core.neighbors.graph import NeighborGraph

RNG = np.random.RandomState(0)
Y = RNG.randint(0, 3, 200)
X = RNG.randn(200, 5) + Y[:, None] * 0.8
X_TEST = RNG.randn(80, 5) + RNG.randint(0, 3, 80)[:, None] * 0.8
THREE = [KNNClassifier(7), ANNClassifier(3, 21), WANNClassifier(3, 21)]
by_name = pytest.mark.parametrize("estimator", THREE, ids=lambda e: type(e).__name__)


@parametrize_with_checks([KNNClassifier(), ANNClassifier(), WANNClassifier()])
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("k", [1, 6, 11])
def test_knn_equals_scikit_learn(k: int) -> None:
    # Continuous data: no two distances are equal. Tied votes go to the lowest class in both.
    ours, theirs = KNNClassifier(k).fit(X, Y), KNeighborsClassifier(k).fit(X, Y)
    assert np.array_equal(ours.predict(X_TEST), theirs.predict(X_TEST))
    np.testing.assert_allclose(ours.predict_proba(X_TEST), theirs.predict_proba(X_TEST))


def test_adaptive_methods_equal_the_slow_reference() -> None:
    ks = reference.adaptive_k(reference.neighbors(X, X, True), Y, 3, 21)
    expected = reference.predict(reference.neighbors(X_TEST, X, False), Y, ks, 7)
    for name, estimator in zip(("kNN", "ANN", "WANN"), THREE, strict=True):
        fitted = clone(estimator).fit(X, Y)
        assert fitted.predict(X_TEST).tolist() == expected[name]
        if name != "kNN":
            assert fitted.adaptive_k_.tolist() == ks.tolist()
            np.testing.assert_allclose(fitted.reliability_, 1 / ks)
    assert expected["ANN"] != expected["WANN"]  # or the comparison would show little


@by_name
def test_prebuilt_graph_gives_the_same_answers_without_a_search(
    estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = clone(estimator).fit(X, Y)
    expected = searched.predict(X_TEST), searched.predict_proba(X_TEST)
    graph = NeighborGraph.build(X, X_TEST, k=25)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(NeighborGraph, "build", refuse)
    monkeypatch.setattr(classifiers, "nearest", refuse)
    fitted = clone(estimator).fit(X, Y, graph=graph)
    assert np.array_equal(fitted.predict(X_TEST, graph=graph), expected[0])
    assert np.array_equal(fitted.predict_proba(X_TEST, graph=graph), expected[1])


@by_name
def test_string_labels_come_back(estimator: Any) -> None:
    names = np.array(["pear", "apple", "fig"])
    by_text = clone(estimator).fit(X, names[Y])
    assert by_text.classes_.tolist() == ["apple", "fig", "pear"]
    # Ties go to the lowest class of these in alphabetical order.
    codes = np.searchsorted(by_text.classes_, names[Y])
    by_code = clone(estimator).fit(X, codes)
    assert np.array_equal(by_text.predict(X_TEST), by_text.classes_[by_code.predict(X_TEST)])
    assert np.array_equal(by_text.predict_proba(X_TEST), by_code.predict_proba(X_TEST))


@by_name
def test_shares_sum_to_one_and_the_winner_has_the_most(estimator: Any) -> None:
    fitted = clone(estimator).fit(X, Y)
    shares, predictions = fitted.predict_proba(X_TEST), fitted.predict(X_TEST)
    assert shares.shape == (80, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[np.arange(80), predictions], shares.max(axis=1))


@pytest.mark.parametrize("estimator_class", [ANNClassifier, WANNClassifier])
def test_few_rows_cut_the_bounds(estimator_class: Any) -> None:
    rows = np.arange(5.0)[:, None]
    # Every label differs: none is explained, and all get k_max = n - 1.
    fitted = estimator_class().fit(rows, np.arange(5))
    assert fitted.adaptive_k_.tolist() == [4] * 5
    # With equal labels the smallest k, which is cut to k_max too, explains them.
    assert estimator_class(11, 51).fit(rows, np.zeros(5)).adaptive_k_.tolist() == [4] * 5
    assert estimator_class(3, 51).fit(rows, np.zeros(5)).adaptive_k_.tolist() == [3] * 5


def test_knn_of_few_rows_lets_all_vote() -> None:
    fitted = KNNClassifier(11).fit(np.arange(5.0)[:, None], [0, 0, 1, 1, 1])
    assert fitted.predict_proba([[0.0]]).tolist() == [[0.4, 0.6]]


@by_name
def test_two_rows_are_enough_and_one_is_not(estimator: Any) -> None:
    fitted = clone(estimator).fit([[0.0], [9.0]], ["a", "b"])
    assert set(fitted.predict([[0.1], [8.0]])) <= {"a", "b"}
    with pytest.raises(WannError, match="n_samples = 1"):
        clone(estimator).fit([[0.0]], ["a"])


@by_name
def test_one_class_is_allowed(estimator: Any) -> None:
    fitted = clone(estimator).fit(X, np.full(200, "only"))
    assert set(fitted.predict(X_TEST)) == {"only"}
    assert fitted.predict_proba(X_TEST).tolist() == [[1.0]] * 80


@by_name
def test_prediction_needs_a_fit(estimator: Any) -> None:
    with pytest.raises(NotFittedError):
        clone(estimator).predict(X_TEST)


@pytest.mark.parametrize(
    ("estimator", "sentence"),
    [
        (KNNClassifier(0), "`k` must be a whole number of at least 1, got 0"),
        (KNNClassifier(1.5), "`k` must be a whole number"),  # type: ignore[arg-type]
        (ANNClassifier(0, 5), "`k_min` must be a whole number between 1 and 5, got 0"),
        (ANNClassifier(7, 5), "`k_min` must be a whole number between 1 and 5, got 7"),
        (WANNClassifier(1, 0), "`k_max` must be a whole number of at least 1, got 0"),
    ],
)
def test_parameters_are_checked_at_fit(estimator: Any, sentence: str) -> None:
    with pytest.raises(WannError, match=sentence):
        estimator.fit(X, Y)


@pytest.mark.parametrize("estimator", [KNNClassifier(5.0), WANNClassifier(3.0, 21.0)])  # type: ignore[arg-type]
def test_floats_are_no_whole_numbers(estimator: Any) -> None:
    with pytest.raises(WannError, match=r"must be a whole number .*, got .*\.0"):
        estimator.fit(X, Y)


def test_graph_of_other_rows_is_refused() -> None:
    graph = NeighborGraph.build(X, X_TEST, k=25)
    with pytest.raises(WannError, match="`graph` must be of the 150 training rows, got 200 rows"):
        ANNClassifier(3, 21).fit(X[:150], Y[:150], graph=graph)
    fitted = ANNClassifier(3, 21).fit(X, Y, graph=graph)
    with pytest.raises(WannError, match="200 training rows and these 10 rows"):
        fitted.predict(X_TEST[:10], graph=graph)
    with pytest.raises(WannError, match="200 training rows and these 80 rows"):
        fitted.predict(X_TEST, graph=NeighborGraph.build(X, k=25))
    with pytest.raises(WannError, match="150 training rows and these 80 rows"):
        KNNClassifier(3).fit(X[:150], Y[:150]).predict(X_TEST, graph=graph)


def test_graph_with_too_few_neighbors_is_refused() -> None:
    graph = NeighborGraph.build(X, X_TEST, k=10)
    with pytest.raises(WannError, match="`k_max` = 21 needs 19 neighbors a row"):
        ANNClassifier(3, 21).fit(X, Y, graph=graph)
    fitted = ANNClassifier(3, 21).fit(X, Y)
    with pytest.raises(WannError, match="`graph` must hold 21 neighbors a row, got 10"):
        fitted.predict_proba(X_TEST, graph=graph)

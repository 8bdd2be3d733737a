"""Neighbor votes that weigh distance and belief, and the choice between votes."""

import numpy as np
import pytest

from tests.helpers.blobs import blobs
from wann_core import WannError
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.recommending.believed_votes import BelievedNeighborsClassifier, vote_agreement
from wann_core.methods.classifiers import KNNClassifier
from wann_core.neighbors.graph import NeighborGraph, nearest
from wann_core.noise.patterns import add_noise
from wann_core.typing import Array

ROWS = 1500


def labeled(pattern: str, ratio: float) -> tuple[Array, Array, Array, Array]:
    """Training rows, noisy labels, test rows and their true labels."""
    X, y = blobs(2 * ROWS, apart=2.5)
    given = y[:ROWS]
    if ratio:
        rng = np.random.RandomState(3)
        given = add_noise(given, pattern, ratio, rng=rng, draw="exact").labels
    return X[:ROWS], given, X[ROWS:], y[ROWS:]


def test_without_belief_votes_weigh_by_distance_alone() -> None:
    X, given, new, _ = labeled("sym", 0.2)
    found = BelievedNeighborsClassifier(belief=0).fit(X, given)
    ids, distances = nearest(new, X, 51)
    weights = np.exp(-((distances / distances[:, [25]]) ** 2))
    shares = np.stack([(weights * (given[ids] == c)).sum(axis=1) for c in range(4)], axis=1)
    shares /= weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.predict_proba(new), shares, rtol=1e-5)
    np.testing.assert_array_equal(found.predict(new), found.predict_proba(new).argmax(axis=1))


def test_belief_helps_where_wrong_labels_go_one_way() -> None:
    X, given, new, true = labeled("asym", 0.42)
    believed = BelievedNeighborsClassifier().fit(X, given)
    assert believed.belief_ > 0
    usual = KNNClassifier(51).fit(X, given)
    assert (believed.predict(new) == true).mean() > (usual.predict(new) == true).mean() + 0.02
    same = BelievedNeighborsClassifier(believed.belief_).fit(X, given)
    np.testing.assert_array_equal(same.predict(new), believed.predict(new))


def test_it_takes_what_agrees_most_with_the_audit() -> None:
    X, given, _, _ = labeled("sym", 0.6)
    graph = NeighborGraph.build(X, k=51)
    agreement = vote_agreement(Evidence(graph, given, 4, X=X))
    assert agreement.is_monotonic_decreasing and len(agreement) == 6
    assert agreement["kNN-11"] < agreement["kNN-51"]
    believed = [name for name in agreement.index if name.startswith("belief")]
    found = BelievedNeighborsClassifier().fit(X, given, graph=graph)
    assert believed[0] == f"belief {found.belief_:g}"


def test_a_graph_spares_the_search() -> None:
    X, given, new, _ = labeled("sym", 0.4)
    graph = NeighborGraph.build(X, new, k=51)
    found = BelievedNeighborsClassifier().fit(X, given, graph=graph)
    assert found.agreement_.index[0] in ("belief 0", "belief 0.5", "belief 1", "kNN-51")
    np.testing.assert_allclose(found.predict_proba(new, graph), found.predict_proba(new), atol=1e-5)
    for other in (NeighborGraph.build(X, k=51), NeighborGraph.build(X[:60], new, k=51)):
        with pytest.raises(WannError, match="`graph` must"):
            found.predict(new, other)


def test_labels_may_be_names_and_rows_few() -> None:
    X = np.array([[0.0], [0.1], [5.0], [5.1]])
    found = BelievedNeighborsClassifier().fit(X, ["a", "a", "b", "b"])
    assert found.predict([[0.2], [4.9]]).tolist() == ["a", "b"]
    alone = BelievedNeighborsClassifier().fit(X, ["a"] * 4)
    assert alone.predict([[0.2]]).tolist() == ["a"] and alone.belief_ == 0


@pytest.mark.parametrize("belief", [-0.1, float("nan"), "much", None])
def test_a_belief_that_is_none_is_refused(belief: object) -> None:
    with pytest.raises(WannError, match="belief"):
        BelievedNeighborsClassifier(belief).fit([[0.0], [1.0]], [0, 1])  # type: ignore[arg-type]

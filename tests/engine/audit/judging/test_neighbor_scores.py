"""Scores without a table of all classes equal those with one, and a plain loop."""

import numpy as np
import pytest

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.kernels import k_without_each, neighbor_k
from wann_core.audit.judging.neighbor_scores import near_vote_odds, own_vote_share
from wann_core.audit.judging.shares import odds, own_share, ranking_posterior
from wann_core.methods.voting import adaptive_k
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.transition import _largest
from wann_core.typing import Array


def near_alike(n: int, n_classes: int, mixed: float, seed: int) -> tuple[Array, Array, Array]:
    """Labels, and all other rows of each row, those of its class mostly first; distances."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    apart = (labels[:, None] != labels) + mixed * rng.random((n, n))
    apart = (apart + apart.T).astype(np.float32)
    np.fill_diagonal(apart, np.inf)
    ids = np.argsort(apart, axis=1)[:, : n - 1].astype(np.int32)
    return labels, ids, np.take_along_axis(apart, ids, axis=1)


def by_hand(ids: Array, labels: Array, row: int, left_out: int, bounds: tuple[int, int]) -> int:
    """Adaptive k of a row that does not know another."""
    near = labels[ids[row][ids[row] != left_out]]
    for k in range(bounds[0], bounds[1], 2):
        if np.bincount(near[:k]).argmax() == labels[row]:
            return k
    return bounds[1]


@pytest.mark.parametrize("mixed", [1.2, 3.0])
@pytest.mark.parametrize(
    ("n_classes", "bounds"), [(1, (3, 9)), (2, (1, 25)), (3, (2, 12)), (5, (11, 29)), (20, (4, 5))]
)
def test_k_without_each_neighbor_is_that_of_a_plain_loop(
    n_classes: int, bounds: tuple[int, int], mixed: float
) -> None:
    labels, ids, distances = near_alike(40, n_classes, mixed, n_classes)
    ids, distances = ids[:, :29].copy(), distances[:, :29].copy()
    k = adaptive_k(ids, labels, *bounds)
    without, changes = np.zeros(ids.shape, np.uint8), np.empty(len(ids), np.bool_)
    k_without_each(0, len(ids), ids, labels, k, *bounds, n_classes, without, changes)
    result = np.empty(ids.shape, np.uint8)
    neighbor_k(0, len(ids), ids, distances, k, *bounds, without, changes, result)
    expected = [[by_hand(ids, labels, j, i, bounds) for j in ids[i]] for i in range(len(ids))]
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(changes, without.any(axis=1))


@pytest.mark.parametrize(("n_classes", "exact"), [(1, 1e-12), (7, 1e-12), (120, 1e-6), (300, 1e-6)])
def test_scores_are_those_of_the_tables(n_classes: int, exact: float) -> None:
    labels, ids, distances = near_alike(700, n_classes, 8.0, 0)
    graph = NeighborGraph(ids[:, :51].copy(), distances[:, :51].copy())
    evidence = Evidence(graph, labels, n_classes)
    assert len(np.unique(evidence.neighbor_k)) > 1 or n_classes == 1
    share = own_vote_share(evidence, evidence.neighbor_k)
    np.testing.assert_array_equal(share, own_share(evidence.wann_shares, labels))
    expected = odds(ranking_posterior(evidence.near_shares, labels), labels)
    np.testing.assert_allclose(near_vote_odds(evidence), expected, rtol=exact)


@pytest.mark.parametrize("count", [1, 4, 30, 50])
def test_the_largest_are_the_first_of_a_stable_sort(count: int) -> None:
    rng = np.random.default_rng(count)
    values, rows = rng.integers(0, 6, 60) / 6, np.sort(rng.permutation(60)[:50])
    expected = rows[np.argsort(-values[rows], kind="stable")[:count]]
    assert set(_largest(values, rows, count)) == set(expected)

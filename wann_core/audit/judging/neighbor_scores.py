"""Scores by the neighbors alone, which need no table of all rows and classes."""

import numpy as np

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.kernels import near_odds, near_surest, own_shares
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.judging.shares import FLOOR, TRUST, odds, ranking_posterior
from wann_core.audit.judging.tables import precision
from wann_core.class_table import MOST_DENSE
from wann_core.noise.transition import RANKING_ANCHORS, anchors
from wann_core.parallel import in_slices
from wann_core.typing import Array


def own_vote_share(evidence: Evidence, k: Array) -> Array:
    """Share of each row's given label among its neighbors, of weights 1 / k (n, K); (n,)."""
    n = len(evidence.labels)
    shares = np.empty(n, precision(evidence.n_classes))
    in_slices(own_shares, n, evidence.ids, evidence.codes, k, shares)
    return shares.astype(np.float64)


def near_vote_odds(evidence: Evidence) -> Array:
    """Odds of each given label against its strongest rival, nearer neighbors weighing more; (n,).

    Corrected for the noise pattern that the surest rows of each class show, as in
    `ranking_posterior`.
    """
    n, n_classes = len(evidence.labels), evidence.n_classes
    if n_classes > MOST_DENSE:  # shares are kept row by row in any case
        return odds(ranking_posterior(evidence.near_shares, evidence.labels), evidence.labels)
    winner, sure, result = np.empty(n, np.int64), np.empty(n), np.empty(n)
    distances = evidence.graph.train_distances[:, :NEIGHBORS]
    votes = evidence.ids, evidence.codes, distances, np.zeros(n_classes, precision(n_classes))
    in_slices(near_surest, n, *votes, winner, sure)
    T = anchors(winner, sure, evidence.labels, n_classes, RANKING_ANCHORS)
    given = T.given(np.arange(n_classes), TRUST)
    others = FLOOR * given + 1e-7
    np.fill_diagonal(others, 0)
    floor = votes[-1].dtype.type(FLOOR)
    in_slices(near_odds, n, *votes, floor, np.ascontiguousarray(given), others.max(axis=1), result)
    return result

"""Methods, bounds of k and reductions that a recommendation chooses among, and their answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.recommending.believed_votes import (
    BELIEFS,
    distance_weights,
    right_labels,
    vote_shares_by,
)
from wann_core.errors import WannError
from wann_core.methods.reduction import FLDA_K, PCA_SIZE, REDUCTIONS, fit_lda, fit_pca
from wann_core.methods.voting import adaptive_k, vote
from wann_core.neighbors.graph import NeighborGraph
from wann_core.typing import Array

KS = (5, 11, 21, 51, 101)
BOUNDS = ((5, 25), (11, 51), (21, 101), (51, 101))


@dataclass(frozen=True)
class Candidate:
    """A method with its settings.

    Attributes
    ----------
    method : {'kNN', 'ANN', 'WANN', 'believed-kNN', 'logreg'}
        As scenarios name them; 'believed-kNN' is `BelievedNeighborsClassifier`.
    k : int or None
        Of kNN.
    k_min, k_max : int or None
        Of ANN and WANN.
    belief : float or None
        Of believed-kNN.
    reduction : {'PCA', 'LDA', 'fLDA'} or None
    """

    method: str
    k: int | None = None
    k_min: int | None = None
    k_max: int | None = None
    belief: float | None = None
    reduction: str | None = None

    def __str__(self) -> str:
        text = self.method
        if self.k is not None:
            text = f"kNN-{self.k}"
        elif self.k_min is not None:
            text = f"{self.method}, k {self.k_min} to {self.k_max}"
        elif self.belief is not None:
            text = f"distance-weighted kNN, belief {self.belief:g}"
        return text if self.reduction is None else f"{text}, after {self.reduction}"


USUAL = Candidate("WANN", k_min=11, k_max=51)


def candidate_answers(
    X: Array,
    given: Array,
    new: Array,
    n_classes: int,
    on_share: Callable[[float], None] = lambda share: None,
) -> Iterator[tuple[Candidate, Array]]:
    """Every vote's answers for new rows, fitted to rows and their given labels.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32
        Normalized embeddings.
    given : ndarray of shape (n,), integer
    new : ndarray of shape (m, d), float32
    n_classes : int
    on_share : callable
        Called with the share of the work that is done.

    Yields
    ------
    Candidate, ndarray of shape (m,)
    """
    plain = NeighborGraph.build(X, new, k=max(KS))
    nearest = NeighborGraph(plain.train_ids[:, :NEIGHBORS], plain.train_distances[:, :NEIGHBORS])
    # By the audit of these rows alone: one that has seen the new ones too would flatter belief.
    believed = right_labels(Evidence(nearest, given, n_classes, X=X))
    yield from _votes(plain, given, believed, n_classes, None)
    k_max = min(FLDA_K[1], len(X) - 1)
    k = adaptive_k(plain.train_ids, given, min(FLDA_K[0], k_max), k_max)
    for step, reduction in enumerate(REDUCTIONS, 1):
        on_share(step / (len(REDUCTIONS) + 1))
        if reduction == "PCA" and X.shape[1] <= PCA_SIZE:
            continue  # a rotation, which changes no distance
        try:
            if reduction == "PCA":
                reducer = fit_pca(X, published=True)
            else:
                reducer = fit_lda(X, given, fit_on=k < k_max if reduction == "fLDA" else None)
        except WannError:
            continue  # too few rows or classes for it: not a candidate
        graph = NeighborGraph.build(reducer.transform(X), reducer.transform(new), k=max(KS))
        yield from _votes(graph, given, believed, n_classes, reduction)


def _votes(
    graph: NeighborGraph, given: Array, believed: Array, n_classes: int, reduction: str | None
) -> Iterator[tuple[Candidate, Array]]:
    ids, distances = graph.test_ids, graph.test_distances
    assert ids is not None and distances is not None
    most = graph.train_ids.shape[1]
    for k in KS:
        if k <= most:
            yield Candidate("kNN", k=k, reduction=reduction), vote(ids, given, k)
    for low, high in BOUNDS:
        if high <= most:
            found = adaptive_k(graph.train_ids, given, low, high)
            voters = found[ids[:, 0]]
            for method, weights in (("ANN", None), ("WANN", 1.0 / found)):
                one = Candidate(method, k_min=low, k_max=high, reduction=reduction)
                yield one, vote(ids, given, voters, weights=weights)
    near, ids = distance_weights(distances[:, :NEIGHBORS]), ids[:, :NEIGHBORS]
    for belief in BELIEFS:
        shares = vote_shares_by(ids, given, near * believed[ids] ** belief, n_classes)
        yield Candidate("believed-kNN", belief=belief, reduction=reduction), shares.argmax(axis=1)

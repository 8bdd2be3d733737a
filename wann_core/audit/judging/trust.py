"""How far an audit can be trusted: whether the embedding separates classes, and copies that vote.

Nothing here knows the true labels. Limits come from measured subsets, docs/audit_measured.md.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from wann_core.typing import Array

Trust = Literal["sound", "doubtful", "blind"]
# Rows are linked to this many nearest ones; connected rows are a cluster. In none of
# the measured data without groups does a class fall into several clusters.
_LINKS = 3
_FEWEST_ROWS = 4
_OF_ONE_LABEL = 0.95
_CLUSTERED = 0.1
# Agreement of the neighbors below which, and estimated rate from which (for the first as a share of
# what guessing would get wrong), the number means nothing, or is not to be trusted.
_BLIND, _IMPLAUSIBLE = 0.34, 0.55
_SOUND, _LEAST_RATE = 0.6, 0.1


@dataclass(frozen=True)
class Clusters:
    """Separate clusters of rows of one label, beyond the first of each class.

    Attributes
    ----------
    count : int
        Of all clusters of at least four rows of which 95 % bear one label.
    share : float
        Of the rows in them, the largest cluster of each class left out; 0 to 1.
    """

    count: int
    share: float

    @property
    def vote_for_themselves(self) -> bool:
        """Whether too many rows are judged by copies alone, so that wrong clusters go unseen."""
        return self.share > _CLUSTERED


def clusters(ids: Array, labels: Array, n_classes: int) -> Clusters:
    """Find rows whose neighbors are all of one cluster, as of one patient or one video.

    Parameters
    ----------
    ids : ndarray of shape (n, K)
        Neighbors of each row, nearest first.
    labels : ndarray of shape (n,), integer
    n_classes : int

    Examples
    --------
    >>> pairs = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
    >>> ids = np.concatenate([pairs, pairs + 4, pairs + 8])
    >>> clusters(ids, np.repeat([0, 0, 1], 4), 2)
    Clusters(count=3, share=0.3333333333333333)
    """
    rows, links = len(ids), min(_LINKS, ids.shape[1])
    start = np.repeat(np.arange(rows), links)
    graph = csr_matrix((np.ones(rows * links, bool), (start, ids[:, :links].ravel())), (rows, rows))
    found, cluster_of = connected_components(graph, directed=False)
    sizes = np.bincount(cluster_of, minlength=found)
    joint = csr_matrix((np.ones(rows, np.int64), (cluster_of, labels)), (found, n_classes))
    label = np.asarray(joint.argmax(axis=1)).ravel()
    pure = np.asarray(joint.max(axis=1).todense()).ravel() >= _OF_ONE_LABEL * sizes
    kept = np.flatnonzero(pure & (sizes >= _FEWEST_ROWS))
    largest = np.zeros(n_classes, np.int64)
    np.maximum.at(largest, label[kept], sizes[kept])
    return Clusters(len(kept), float(sizes[kept].sum() - largest.sum()) / rows)


def agreement(first: Array, second: Array, n_classes: int) -> float:
    """How far the votes of every other neighbor agree with those of the rest (Cohen's κ).

    1 is always, 0 is by chance. Noise alone lowers it little: both halves see the same classes.

    Parameters
    ----------
    first, second : ndarray of shape (n,), integer
        Class that each half of a row's neighbors votes for.
    n_classes : int
    """
    a, b = (np.bincount(votes, minlength=n_classes) for votes in (first, second))
    return agreement_of(int((first == second).sum()), a, b)


def agreement_of(alike: int, first: Array, second: Array) -> float:
    """The same by how many rows' votes are alike, and how many each class has of either half."""
    n = first.sum()
    chance = float((first / n) @ (second / n))
    return (alike / float(n) - chance) / (1 - chance) if chance < 1 else 1.0


def trust_of(agree: float, rate: float, labels: Array, n_classes: int) -> Trust:
    """How far the estimated rate of wrong labels means the labels rather than the embedding.

    Parameters
    ----------
    agree : float
        Of the neighbors, see `agreement`.
    rate : float
        Estimated share of wrong labels.
    labels : ndarray of shape (n,), integer
    n_classes : int

    Returns
    -------
    str
        'sound': off by little in the measured subsets. 'doubtful': off by much in some of them.
        'blind': the neighbors contradict each other and most labels look wrong, which labels that
        really are that bad do, too; nothing can separate these.
    """
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    of_guessing = rate / max(1 - float(shares @ shares), 1e-12)
    if of_guessing >= _IMPLAUSIBLE and agree < _BLIND:
        return "blind"
    return "doubtful" if agree < _SOUND and rate >= _LEAST_RATE else "sound"


def warnings(trust: Trust, agree: float, rate: float, found: Clusters) -> tuple[str, ...]:
    """What makes the number of wrong labels worth little, in sentences."""
    said = []
    if trust != "sound":
        able = "can hardly" if trust == "blind" else "may not"
        said.append(
            f"The embeddings {able} separate these classes (votes of the two halves of each "
            f"row's neighbors agree with kappa {agree:.2f}; 1 is always, 0 is chance): an estimate "
            f"of {100 * rate:.0f} % wrong labels is not to be trusted, as right labels look wrong, "
            "too. A stronger backbone helps."
        )
    if found.vote_for_themselves:
        said.append(
            f"Rows look like near-copies that vote for each other: {found.count:,} separate "
            f"clusters bear one label each, and {100 * found.share:.0f} % of the rows lie in more "
            "of them than the first of their class. A label that is wrong throughout a cluster "
            "goes unseen. Name the group (patient, video, …) that the rows of a cluster share."
        )
    return tuple(said)

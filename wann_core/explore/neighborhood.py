"""One sample and the neighbors that vote on it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wann_core.errors import WannError, check_choice
from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.scenario import Scenario
from wann_core.methods.voting import support, vote, vote_shares, winning_share
from wann_core.typing import Array

SPLITS = ("train", "test")
CHOICES = ("random", "wrong", "unreliable", "disagreement")


@dataclass(frozen=True, eq=False)
class Neighborhood:
    """A sample, its nearest training rows, and their weights.

    Attributes
    ----------
    prepared : PreparedData
    split : {'train', 'test'}
    position : int
        Row of the sample in the prepared split.
    ids : ndarray of shape (K,), int32
        Positions of its nearest training rows; a training sample is not its own neighbor.
    distances : ndarray of shape (K,), float32
    """

    prepared: PreparedData
    split: str
    position: int
    ids: Array
    distances: Array

    @property
    def row_id(self) -> int:
        """Row id in the source's own file."""
        return int(row_ids(self.prepared, self.split)[self.position])

    @property
    def true_label(self) -> int:
        """Clean class id; the given one where the true labels are not known."""
        p = self.prepared
        return int((p.clean_labels if self.split == "train" else p.y_test)[self.position])

    @property
    def given_label(self) -> int:
        """Class id that the methods see; a test sample has its true one."""
        return (
            int(self.prepared.labels[self.position]) if self.split == "train" else self.true_label
        )

    @property
    def adaptive_k(self) -> int:
        """Neighbors that ANN and WANN let vote: the adaptive k of the nearest training row."""
        return int(self.prepared.adaptive_k[self.ids[0]])

    @property
    def truth_known(self) -> bool:
        """Whether `true_label` is more than the given one."""
        p = self.prepared
        return bool(p.truth_known if self.split == "train" else p.test_truth_known)

    def table(self) -> pd.DataFrame:
        """One row a neighbor, nearest first: ids, labels, distance, reliability, WANN's weight.

        There is no `clean_label` where the true labels are not known.
        `vote_weight` is the neighbor's share of WANN's votes, 0 beyond the adaptive k.
        """
        p = self.prepared
        reliability = p.reliability[self.ids]
        votes = np.where(np.arange(len(self.ids)) < self.adaptive_k, reliability, 0.0)
        clean = {"clean_label": p.clean_labels[self.ids]} if p.truth_known else {}
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(self.ids) + 1),
                "row": p.row_ids[self.ids],
                "label": p.labels[self.ids],
                **clean,
                "distance": self.distances,
                "adaptive_k": p.adaptive_k[self.ids],
                "reliability": reliability,
                "vote_weight": votes / votes.sum(),
            }
        )

    def votes(self, method: str) -> Array:
        """Share of each class in the votes of a method named like 'kNN-11', shape (C,)."""
        voters, weights = _electorate(self.prepared, self.ids[None], method)
        n_classes = self.prepared.dataset.n_classes
        shares = vote_shares(self.ids[None], self.prepared.labels, voters, weights, n_classes)
        return np.asarray(shares[0])

    def answer(self, method: str) -> int:
        """Class id that a method predicts for the sample, as in `predictions`."""
        voters, weights = _electorate(self.prepared, self.ids[None], method)
        return int(vote(self.ids[None], self.prepared.labels, voters, weights)[0])

    def share_curve(self, *, weighted: bool) -> Array:
        """Share of each class in the votes of the k nearest, for k = 1 … K, shape (K, C)."""
        p = self.prepared
        cast = np.zeros((len(self.ids), p.dataset.n_classes))
        weights = p.reliability[self.ids] if weighted else np.ones(len(self.ids))
        cast[np.arange(len(self.ids)), p.labels[self.ids]] = weights
        return np.asarray(cast.cumsum(axis=0) / weights.cumsum()[:, None])


def neighborhood(prepared: PreparedData, split: str, row_id: int) -> Neighborhood:
    """The neighborhood of the sample with this row id.

    Raises
    ------
    WannError
        If the split is unknown or the row is not among its rows.
    """
    check_choice("split", split, SPLITS)
    found = np.flatnonzero(row_ids(prepared, split) == row_id)
    if not len(found):
        kind = "training" if split == "train" else "test"
        raise WannError(
            f"row {row_id} is not among the {len(row_ids(prepared, split)):,} {kind} rows.", "row"
        )
    position = int(found[0])
    ids, distances = neighbors_of(prepared, split)
    return Neighborhood(prepared, split, position, ids[position], distances[position])


def row_ids(prepared: PreparedData, split: str) -> Array:
    """Row ids of a split in the source's own file."""
    return prepared.row_ids if split == "train" else prepared.test_ids


def predictions(prepared: PreparedData, split: str, method: str) -> Array:
    """Predict every row of a split; a training row does not vote on itself.

    Its label counts all the same in the adaptive k of those that vote on it.
    """
    ids, _ = neighbors_of(prepared, split)
    voters, weights = _electorate(prepared, ids, method)
    return vote(ids, prepared.labels, voters, weights)


def candidates(
    prepared: PreparedData, split: str, choice: str, count: int, methods: tuple[str, ...], seed: int
) -> Array:
    """Row ids of a selection, for example of wrong labels.

    Parameters
    ----------
    prepared : PreparedData
    split : {'train', 'test'}
    choice : {'random', 'wrong', 'unreliable', 'disagreement'}
        'wrong': training rows with a wrong label, test rows that WANN gets wrong; at random.
        'unreliable': the training labels least supported by their neighbors, by η and, among
        equals, by their share of the votes of all neighbors; test rows least surely predicted
        by WANN. 'disagreement': rows on which the methods do not agree, at random.
    count : int
        Upper limit.
    methods : tuple of str
        For 'disagreement'.
    seed : int
        For what is random.

    Returns
    -------
    ndarray of int64

    Raises
    ------
    WannError
        If `split` or `choice` is unknown.
    """
    check_choice("split", split, SPLITS)
    check_choice("choice", choice, CHOICES)
    ids, _ = neighbors_of(prepared, split)
    rng = np.random.default_rng(seed)
    if choice == "unreliable":
        voters, weights = _electorate(prepared, ids, "WANN")
        if split == "train":
            alike = support(ids, prepared.labels, prepared.labels, ids.shape[1])
            order = np.lexsort((alike, prepared.reliability))
        else:
            sure = winning_share(ids, prepared.labels, voters, weights)
            order = np.argsort(sure, kind="stable")
        return np.asarray(row_ids(prepared, split)[order[:count]])
    if choice == "random":
        pool = np.arange(len(ids))
    elif choice == "disagreement":
        said = np.stack([predictions(prepared, split, method) for method in methods])
        pool = np.flatnonzero((said != said[0]).any(axis=0))
    elif split == "train":
        pool = np.flatnonzero(prepared.labels != prepared.clean_labels)
    else:
        pool = np.flatnonzero(predictions(prepared, split, "WANN") != prepared.y_test)
    return np.asarray(row_ids(prepared, split)[rng.permutation(pool)[:count]])


def neighbors_of(prepared: PreparedData, split: str) -> tuple[Array, Array]:
    """Positions of the nearest training rows of every row of a split, and their distances."""
    graph = prepared.graph
    if split == "train":
        return graph.train_ids, graph.train_distances
    assert graph.test_ids is not None and graph.test_distances is not None
    return graph.test_ids, graph.test_distances


def _electorate(prepared: PreparedData, ids: Array, method: str) -> tuple[Array, Array | None]:
    """How many neighbors vote on each row under a method, and the weights of their votes."""
    asked: Scenario = prepared.scenario.with_method(method)
    if asked.method == "kNN":
        return np.full(len(ids), min(asked.k, ids.shape[1]), np.int32), None
    weights = prepared.reliability if asked.method == "WANN" else None
    return prepared.adaptive_k[ids[:, 0]], weights

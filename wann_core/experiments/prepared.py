"""Prepared data of a scenario and the report of a method, as plain values."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wann_core.datasets import Dataset
from wann_core.datasets.dataset import Judged
from wann_core.experiments.scenario import Scenario
from wann_core.methods.metrics import Metrics
from wann_core.methods.voting import adaptive_k, winning_share
from wann_core.neighbors.graph import NeighborGraph
from wann_core.typing import Array


@dataclass(frozen=True, eq=False)
class PreparedData(Judged):
    """A scenario's training and test rows, labels and neighbors, ready for votes.

    Attributes
    ----------
    scenario : Scenario
    dataset : Dataset
        The source, with all its rows.
    rows : ndarray of shape (n,), int64
        Positions of the training rows in the source's training split, in training order.
    row_ids, test_ids : ndarray of shape (n,) and (m,), int64
        Row ids in the source's own files.
    X_train, X_test : ndarray of shape (n, d) and (m, d), float32
        Normalized and reduced.
    labels, clean_labels : ndarray of shape (n,), int64
        As the methods see them, and as they are where that is known: before the noise that was
        added, and before the source's own where its true labels come with it.
    y_test : ndarray of shape (m,), int64
    leave_one_out : bool
        Whether the source has no test rows, so that the training rows themselves are judged, each
        by the others; `X_test`, `y_test` and `test_ids` are then those of the training rows.
    noise_ratio : float
        Share of the training labels that are not the clean ones.
    transition_matrix : ndarray of shape (C, C), float64
        What really happened: clean class × given label.
    graph : NeighborGraph
    notes : tuple of str
        Sentences on where the result differs from what was asked.
    seconds : float
        Wall time of the preparation; next to nothing where it was shared.
    noise_note : str
        In which ways the noise that was added is not what was asked for; '' where it is.
    reduce_seconds : float
        Wall time of the reduction when it was made: its fit, under fLDA with the search for the
        rows to trust, and the projection of all rows. `graph.seconds` is the search after it.
    """

    scenario: Scenario
    dataset: Dataset
    rows: Array
    row_ids: Array
    test_ids: Array
    X_train: Array
    X_test: Array
    labels: Array
    clean_labels: Array
    y_test: Array
    leave_one_out: bool
    noise_ratio: float
    transition_matrix: Array
    graph: NeighborGraph
    notes: tuple[str, ...]
    seconds: float = 0.0
    reduce_seconds: float = 0.0
    noise_note: str = ""

    @property
    def k_bounds(self) -> tuple[int, int]:
        """k_min and k_max, cut to n - 1 rows."""
        k_max = min(self.scenario.k_max, len(self.labels) - 1)
        return min(self.scenario.k_min, k_max), k_max

    @cached_property
    def adaptive_k(self) -> Array:
        """Adaptive k of each training row under the scenario's bounds, shape (n,), int32."""
        return adaptive_k(self.graph.train_ids, self.labels, *self.k_bounds)

    @property
    def reliability(self) -> Array:
        """η = 1 / adaptive k of each training row, shape (n,), float64."""
        return 1.0 / self.adaptive_k


@dataclass(frozen=True, eq=False)
class Report:
    """Predictions and scores of one method.

    Attributes
    ----------
    scenario : Scenario
        With the method and k that answered.
    prepared : PreparedData
    predictions : ndarray of shape (m,), int64
        Class of each test row.
    voters : ndarray of shape (m,), int32
        Neighbors that voted for each test row.
    metrics : Metrics
    seconds : float
        Wall time of the votes, without the graph.
    """

    scenario: Scenario
    prepared: PreparedData
    predictions: Array
    voters: Array
    metrics: Metrics
    seconds: float

    @property
    def right(self) -> Array:
        """Which test rows got their true class, shape (m,), bool."""
        return np.asarray(self.predictions == self.prepared.y_test)

    @cached_property
    def confidence(self) -> Array:
        """Share of the votes that the predicted class won, shape (m,), float64."""
        weights = self.prepared.reliability if self.scenario.method == "WANN" else None
        ids = self.prepared.graph.test_ids
        assert ids is not None
        return np.asarray(winning_share(ids, self.prepared.labels, self.voters, weights))

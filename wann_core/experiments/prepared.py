"""What a scenario becomes: rows, labels and neighbors, and what a method answers on them."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wann_core.datasets import Dataset
from wann_core.methods import reduction, sampling
from wann_core.methods.metrics import Metrics
from wann_core.methods.voting import adaptive_k, vote_shares
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise import patterns
from wann_core.typing import Array

if TYPE_CHECKING:
    from wann_core.experiments.scenario import Scenario

Reducer = reduction.Reducer


@dataclass(frozen=True, eq=False)
class PreparedData:
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
    reduce_seconds : float
        Wall time of the reduction when it was made: its fit, under fLDA with the search that tells
        which rows to trust, and the projection of all rows. `graph.seconds` is the search after it.
    """

    scenario: "Scenario"
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
    """What one method answered.

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

    scenario: "Scenario"
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
        shares = vote_shares(ids, self.prepared.labels, self.voters, weights)
        return np.asarray(shares[np.arange(len(shares)), self.predictions])


@dataclass(frozen=True, eq=False)
class Geometry:
    """Rows and their embeddings, before any label is looked at."""

    rows: Array
    X_train: Array
    X_test: Array
    random_state: Any  # of the generator after the long tail was drawn
    notes: tuple[str, ...]
    reduce_seconds: float = 0.0


_LEAVE_ONE_OUT = (
    "This data set has no test rows: every training row is judged by the others, itself excluded."
)


def just_fit(fit: Callable[[], Reducer]) -> Reducer:
    """What `fit()` returns: a reduction that nothing else shares."""
    return fit()


def make_geometry(data: Dataset, geometry: "Scenario") -> Geometry:
    """Sample, normalize and, under PCA, reduce as `Scenario.geometry` says."""
    rng = np.random.RandomState(geometry.seed)
    labels = data.train.y
    rows, notes = np.arange(len(labels)), list[str]()
    if geometry.imbalance_ratio is not None:
        rows, notes = sampling.long_tail(labels, geometry.imbalance_ratio, rng)
    if geometry.num_subsamples is not None:
        rows = rows[sampling.subsample(labels[rows], geometry.num_subsamples, geometry.seed)]
    raw = _raw(data, rows)
    # Without test rows a single one stands in for them, so that nothing is computed twice.
    raw_test = raw[:1] if data.test is None else data.test.X
    X_train, X_test = reduction.normalize(raw, raw_test, geometry.normalization)
    if data.test is None:
        X_test = X_train
        notes.append(_LEAVE_ONE_OUT)
    made = Geometry(rows, X_train, X_test, rng.get_state(), tuple(notes))
    return reduced_by_pca(made, geometry.reduction_size) if geometry.reduction == "PCA" else made


def reduced_by_pca(
    whole: Geometry,
    size: int | None,
    fitted: Callable[[Callable[[], Reducer]], Reducer] = just_fit,
) -> Geometry:
    """The same rows in fewer dimensions.

    `fitted(fit)` may answer with an equal PCA that was fitted before.
    """
    reducer = fitted(lambda: reduction.fit_pca(whole.X_train, published=size is None))
    X_train, X_test, seconds = _projected(reducer, whole, size)
    return dataclasses.replace(whole, X_train=X_train, X_test=X_test, reduce_seconds=seconds)


def _projected(reducer: Reducer, whole: Geometry, size: int | None) -> tuple[Array, Array, float]:
    """Both splits in fewer dimensions, and the seconds of the whole reduction."""
    started = time.perf_counter()
    X_train = reducer.transform(whole.X_train, size)
    same = whole.X_test is whole.X_train
    X_test = X_train if same else reducer.transform(whole.X_test, size)
    return X_train, X_test, reducer.seconds + time.perf_counter() - started


def add_labels(
    data: Dataset,
    labeling: "Scenario",
    base: Geometry,
    base_graph: Callable[[], NeighborGraph],
    search: Callable[[Array, Array], NeighborGraph],
    fitted: Callable[[Callable[[], Reducer]], Reducer] = just_fit,
) -> PreparedData:
    """Add the noise to the labels and, under LDA and fLDA, reduce by them and search again.

    `base_graph()` is the graph of the geometry, which LDA alone has no use for;
    `search(X_train, X_test)` makes another one; `fitted(fit)` may answer with an equal LDA or fLDA
    that was fitted before.
    """
    given, clean = data.train.y[base.rows], data.train.true[base.rows]
    rng = np.random.RandomState(labeling.seed)
    if labeling.imbalance_ratio is not None:
        rng.set_state(base.random_state)
    noisy = patterns.add_noise(
        given,
        labeling.noise_pattern,
        labeling.noise_ratio,
        rng=rng,
        n_classes=data.n_classes,
        draw=labeling.draw,
        dataset=data.name,
        X=_raw(data, base.rows) if labeling.noise_pattern in ("instance", "similar") else None,
        matrix=labeling.transition_matrix,
    )
    if data.train.clean is not None:
        noisy = patterns.compare(clean, noisy.labels, data.n_classes)
    X_train, X_test, reduce_seconds = base.X_train, base.X_test, base.reduce_seconds
    if labeling.reduction not in ("LDA", "fLDA"):
        graph = base_graph()
    else:
        trusted = base_graph if labeling.reduction == "fLDA" else None
        reducer = fitted(lambda: _discriminants(base.X_train, noisy.labels, trusted))
        X_train, X_test, reduce_seconds = _projected(reducer, base, labeling.reduction_size)
        graph = search(X_train, X_test)
    for array in (noisy.labels, clean):
        array.setflags(write=False)
    return PreparedData(
        scenario=labeling,
        dataset=data,
        rows=base.rows,
        row_ids=data.train.ids[base.rows],
        test_ids=data.train.ids[base.rows] if data.test is None else data.test.ids,
        X_train=X_train,
        X_test=X_test,
        labels=noisy.labels,
        clean_labels=clean,
        y_test=clean if data.test is None else data.test.true,
        leave_one_out=data.test is None,
        noise_ratio=noisy.ratio,
        transition_matrix=noisy.transition_matrix,
        graph=graph,
        notes=base.notes,
        reduce_seconds=reduce_seconds,
    )


def _discriminants(
    X: Array, labels: Array, base_graph: Callable[[], NeighborGraph] | None
) -> Reducer:
    """LDA; under fLDA, for which the graph is needed, of the rows that it explains."""
    if base_graph is None:
        return reduction.fit_lda(X, labels)
    graph = base_graph()
    started = time.perf_counter()
    k_min, k_max = (min(k, len(labels) - 1) for k in reduction.FLDA_K)
    fit_on = adaptive_k(graph.train_ids, labels, k_min, k_max) < k_max
    reducer = reduction.fit_lda(X, labels, fit_on=fit_on)
    # The search may have been made for something else: it is a part of fLDA all the same.
    seconds = graph.seconds + time.perf_counter() - started
    return dataclasses.replace(reducer, seconds=seconds)


def _raw(data: Dataset, rows: Array) -> Array:
    """Embeddings of these training rows as they lie in the source; not copied if they are all."""
    if len(rows) == len(data.train) and np.array_equal(rows, np.arange(len(rows))):
        return data.train.X
    return data.train.X[rows]

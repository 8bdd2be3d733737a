"""A scenario: all that the sliders set. From it one way leads to labels, graph, votes and report.

The neighbour graph depends on the scenario's geometry alone (embeddings, rows, label-free
reduction). Noise, method and k only vote again; LDA and fLDA, which are fitted to the labels,
search again for new labels.
"""

import dataclasses
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wann_core import datasets, noise, reduction, sampling, store
from wann_core.datasets import DATABASE_ROOT, Dataset
from wann_core.errors import WannError, check_choice, check_number
from wann_core.metrics import Metrics
from wann_core.neighbors import NeighborGraph, Progress
from wann_core.voting import adaptive_k, vote, vote_shares

Array = npt.NDArray[Any]

METHODS = ("WANN", "ANN", "kNN")
BASELINES = ("kNN-11", "kNN-51", "ANN", "WANN")

# A graph holds at least this many neighbours, so that no usual k or bound asks for another one.
_GRAPH_K = 51


@dataclass(frozen=True)
class Scenario:
    """What is asked; hashable, and written into every result so that it can be made again.

    Attributes
    ----------
    dataset, backbone : str
        'digits' under 'pixels' is built in; any other pair names an embedding database.
    seed : int
        Seeds long tail, subsample and noise.
    imbalance_ratio : float or None
        Last class over first class of a long tail, in (0, 1]; None keeps all rows.
    num_subsamples : int or None
        Training rows of a stratified subsample; None (or -1) keeps all rows.
    noise_pattern : {'sym', 'asym', 'instance', 'similar', 'matrix'} or None
    noise_ratio : float
        ε in [0, 1].
    draw : {'reference', 'exact'}
        Published draws, or draws whose realised ratio is the asked one; see `noise.add_noise`.
    transition_matrix : tuple of tuples of float, or None
        For pattern 'matrix'.
    normalization : {'zscore', 'l2', 'none'}
    reduction : {'PCA', 'LDA', 'fLDA'} or None
    reduction_size : int or None
        Dimensions after it; None is the published choice.
    method : {'WANN', 'ANN', 'kNN'}
    k : int
        Neighbours of kNN.
    k_min, k_max : int
        Bounds of the adaptive k. With few rows they and k are cut to what there is.

    Raises
    ------
    WannError
        If a value is out of range; `field` names it.
    """

    dataset: str = datasets.BUILT_IN[0]
    backbone: str = datasets.BUILT_IN[1]
    seed: int = 42
    imbalance_ratio: float | None = None
    num_subsamples: int | None = None
    noise_pattern: str | None = None
    noise_ratio: float = 0.0
    draw: str = "reference"
    transition_matrix: tuple[tuple[float, ...], ...] | None = None
    normalization: str = "zscore"
    reduction: str | None = None
    reduction_size: int | None = None
    method: str = "WANN"
    k: int = 11
    k_min: int = 11
    k_max: int = 51

    def __post_init__(self) -> None:
        if self.num_subsamples == -1:
            object.__setattr__(self, "num_subsamples", None)
        if self.transition_matrix is not None:
            rows = noise.matrix_rows(self.transition_matrix)
            object.__setattr__(self, "transition_matrix", rows)
        check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        if self.imbalance_ratio is not None:
            check_number("imbalance_ratio", self.imbalance_ratio, 0, 1)
        if self.num_subsamples is not None:
            check_number("num_subsamples", self.num_subsamples, 1, whole=True)
        if self.noise_pattern is not None:
            check_choice("noise_pattern", self.noise_pattern, noise.PATTERNS)
        check_number("noise_ratio", self.noise_ratio, 0, 1)
        check_choice("draw", self.draw, noise.DRAWS)
        check_choice("normalization", self.normalization, reduction.NORMALIZATIONS)
        if self.reduction is not None:
            check_choice("reduction", self.reduction, reduction.REDUCTIONS)
        if self.reduction_size is not None:
            check_number("reduction_size", self.reduction_size, 1, whole=True)
        check_choice("method", self.method, METHODS)
        check_number("k", self.k, 1, whole=True)
        check_number("k_max", self.k_max, 1, whole=True)
        check_number("k_min", self.k_min, 1, self.k_max, whole=True)

    @property
    def method_name(self) -> str:
        """The method as tables name it: 'kNN-11', 'ANN', 'WANN'."""
        return f"kNN-{self.k}" if self.method == "kNN" else self.method

    def with_method(self, name: str) -> "Scenario":
        """The same scenario under a method named as `method_name` does."""
        method, _, k = name.partition("-")
        if k and not k.isdigit():
            raise WannError(f"`method` must be like kNN-11, ANN or WANN, got {name!r}.", "method")
        return dataclasses.replace(self, method=method, k=int(k) if k else self.k)

    def geometry(self) -> "Scenario":
        """The part that fixes the rows and their neighbours; all else at its default."""
        rows = self.imbalance_ratio is not None or self.num_subsamples is not None
        label_free = self.reduction == "PCA"
        return Scenario(
            dataset=self.dataset,
            backbone=self.backbone,
            seed=self.seed if rows else 0,
            imbalance_ratio=self.imbalance_ratio,
            num_subsamples=self.num_subsamples,
            normalization=self.normalization,
            reduction=self.reduction if label_free else None,
            reduction_size=self.reduction_size if label_free else None,
        )

    def labelling(self) -> "Scenario":
        """The part that fixes rows, labels and neighbours: all but the votes."""
        default = Scenario()
        return dataclasses.replace(
            self, method=default.method, k=default.k, k_min=default.k_min, k_max=default.k_max
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """A scenario's training and test rows, labels and neighbours, ready for votes.

    Attributes
    ----------
    scenario : Scenario
    dataset : Dataset
        The source, with all its rows.
    rows : ndarray of shape (n,), int64
        Positions of the training rows in the source's training split, in training order.
    row_ids : ndarray of shape (n,), int64
        Their row ids in the source's own files.
    X_train, X_test : ndarray of shape (n, d) and (m, d), float32
        Normalised and reduced.
    labels, clean_labels : ndarray of shape (n,), int64
    y_test : ndarray of shape (m,), int64
    noise_ratio : float
        Share of the training labels that really changed.
    transition_matrix : ndarray of shape (C, C), float64
        What really happened: clean class × given label.
    graph : NeighborGraph
    notes : tuple of str
        Sentences on where the result differs from what was asked.
    """

    scenario: Scenario
    dataset: Dataset
    rows: Array
    row_ids: Array
    X_train: Array
    X_test: Array
    labels: Array
    clean_labels: Array
    y_test: Array
    noise_ratio: float
    transition_matrix: Array
    graph: NeighborGraph
    notes: tuple[str, ...]

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
    prepared : Prepared
    predictions : ndarray of shape (m,), int64
        Class of each test row.
    voters : ndarray of shape (m,), int32
        Neighbours that voted for each test row.
    metrics : Metrics
    seconds : float
        Wall time of the votes, without the graph.
    """

    scenario: Scenario
    prepared: Prepared
    predictions: Array
    voters: Array
    metrics: Metrics
    seconds: float

    @cached_property
    def confidence(self) -> Array:
        """Share of the votes that the predicted class won, shape (m,), float64."""
        weights = self.prepared.reliability if self.scenario.method == "WANN" else None
        ids = self.prepared.graph.test_ids
        assert ids is not None
        shares = vote_shares(ids, self.prepared.labels, self.voters, weights)
        return np.asarray(shares[np.arange(len(shares)), self.predictions])


@dataclass(frozen=True, eq=False)
class _Geometry:
    rows: Array
    X_train: Array
    X_test: Array
    graph: NeighborGraph
    random_state: Any  # of the generator after the long tail was drawn
    notes: tuple[str, ...]


_geometries = store.SharedCache(max_bytes=3 << 30)
_labelled = store.SharedCache(max_bytes=1 << 30)


def prepare(
    scenario: Scenario,
    *,
    database_root: str | Path = DATABASE_ROOT,
    progress: Progress | None = None,
) -> Prepared:
    """Load, sample, label, normalise and reduce the data, and find its neighbours.

    Parameters
    ----------
    scenario : Scenario
    database_root : path
        Where embedding databases lie.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Returns
    -------
    Prepared
        Shared with later callers: its arrays must not be written to.

    Raises
    ------
    WannError
        If the data cannot be had, or cannot serve the scenario.
    """
    data = datasets.load(scenario.dataset, scenario.backbone, database_root)
    source = datasets.fingerprint(scenario.dataset, scenario.backbone, database_root)
    graph_k = graph_neighbors(scenario)
    labelling, geometry = scenario.labelling(), scenario.geometry()

    def build_geometry() -> tuple[_Geometry, int]:
        made = _make_geometry(data, geometry, graph_k, progress)
        return made, made.graph.nbytes + made.X_train.nbytes + made.X_test.nbytes

    def build_labels() -> tuple[Prepared, int]:
        base = _geometries.get((source, geometry, graph_k), build_geometry)
        made = _add_labels(data, labelling, base, graph_k, progress)
        own = made.labels.nbytes + made.clean_labels.nbytes + made.row_ids.nbytes
        if made.graph is not base.graph:
            own += made.graph.nbytes + made.X_train.nbytes + made.X_test.nbytes
        return made, own

    labelled = _labelled.get((source, labelling, graph_k), build_labels)
    return dataclasses.replace(labelled, scenario=scenario)


def classify(prepared: Prepared, scenario: Scenario | None = None) -> Report:
    """Let a method answer for the test rows.

    Parameters
    ----------
    prepared : Prepared
    scenario : Scenario, optional
        Names the method and k, and may differ from the prepared one in these only; by default the
        prepared scenario itself.

    Returns
    -------
    Report

    Raises
    ------
    WannError
        If `scenario` asks for other rows, labels or bounds than were prepared, or for more
        neighbours than were searched.
    """
    asked = prepared.scenario if scenario is None else scenario
    same_bounds = (asked.k_min, asked.k_max) == (prepared.scenario.k_min, prepared.scenario.k_max)
    if asked.labelling() != prepared.scenario.labelling() or not same_bounds:
        raise WannError("the scenario asks for other rows, labels or bounds than were prepared.")
    ids = prepared.graph.test_ids
    assert ids is not None
    started = time.perf_counter()
    weights = None
    if asked.method == "kNN":
        k = min(asked.k, len(prepared.labels))
        voters = np.full(len(ids), k, np.int32)
    else:
        voters = prepared.adaptive_k[ids[:, 0]]
        weights = prepared.reliability if asked.method == "WANN" else None
    predictions = vote(ids, prepared.labels, voters, weights)
    seconds = time.perf_counter() - started
    metrics = Metrics.of(prepared.y_test, predictions, prepared.dataset.n_classes)
    return Report(asked, prepared, predictions, voters, metrics, seconds)


def graph_neighbors(scenario: Scenario) -> int:
    """Neighbours that a graph for the scenario holds: 51, or more where it asks for more."""
    return max(_GRAPH_K, scenario.k, scenario.k_max)


def run(
    scenario: Scenario,
    *,
    database_root: str | Path = DATABASE_ROOT,
    progress: Progress | None = None,
) -> Report:
    """`prepare` and `classify` in one.

    Raises
    ------
    WannError
        As these do.

    Examples
    --------
    >>> report = run(Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact"))
    >>> round(report.prepared.noise_ratio, 3), report.metrics.accuracy > 0.8
    (0.4, True)
    """
    return classify(prepare(scenario, database_root=database_root, progress=progress))


def _make_geometry(
    data: Dataset, geometry: Scenario, graph_k: int, progress: Progress | None
) -> _Geometry:
    rng = np.random.RandomState(geometry.seed)
    rows, notes = np.arange(len(data.y_train)), list[str]()
    if geometry.imbalance_ratio is not None:
        rows, notes = sampling.long_tail(data.y_train, geometry.imbalance_ratio, rng)
    if geometry.num_subsamples is not None:
        rows = rows[sampling.subsample(data.y_train[rows], geometry.num_subsamples, geometry.seed)]
    whole = len(rows) == len(data.y_train) and geometry.imbalance_ratio is None
    raw = data.X_train if whole and geometry.num_subsamples is None else data.X_train[rows]
    X_train, X_test = reduction.normalize(raw, data.X_test, geometry.normalization)
    if geometry.reduction == "PCA":
        X_train, X_test = reduction.pca(X_train, X_test, geometry.reduction_size)
    graph = store.neighbor_graph(X_train, X_test, graph_k, progress)
    return _Geometry(rows, X_train, X_test, graph, rng.get_state(), tuple(notes))


def _add_labels(
    data: Dataset, labelling: Scenario, base: _Geometry, graph_k: int, progress: Progress | None
) -> Prepared:
    clean = data.y_train[base.rows]
    rng = np.random.RandomState(labelling.seed)
    if labelling.imbalance_ratio is not None:
        rng.set_state(base.random_state)
    noisy = noise.add_noise(
        clean,
        labelling.noise_pattern,
        labelling.noise_ratio,
        rng=rng,
        n_classes=data.n_classes,
        draw=labelling.draw,
        dataset=data.name,
        X=data.X_train[base.rows] if labelling.noise_pattern in ("instance", "similar") else None,
        matrix=labelling.transition_matrix,
    )
    X_train, X_test, graph = base.X_train, base.X_test, base.graph
    if labelling.reduction in ("LDA", "fLDA"):
        fit_on = None
        if labelling.reduction == "fLDA":
            k_min, k_max = (min(k, len(clean) - 1) for k in reduction.FLDA_K)
            fit_on = adaptive_k(base.graph.train_ids, noisy.labels, k_min, k_max) < k_max
        X_train, X_test = reduction.lda(
            X_train, noisy.labels, X_test, labelling.reduction_size, fit_on=fit_on
        )
        graph = store.neighbor_graph(X_train, X_test, graph_k, progress)
    for array in (noisy.labels, clean):
        array.setflags(write=False)
    return Prepared(
        scenario=labelling,
        dataset=data,
        rows=base.rows,
        row_ids=data.train_ids[base.rows],
        X_train=X_train,
        X_test=X_test,
        labels=noisy.labels,
        clean_labels=clean,
        y_test=data.y_test,
        noise_ratio=noisy.ratio,
        transition_matrix=noisy.transition_matrix,
        graph=graph,
        notes=base.notes,
    )

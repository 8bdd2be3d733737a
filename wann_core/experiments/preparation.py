"""Prepare a scenario's rows, labels and neighbors; scenarios share what they can.

Three layers, each cached in memory by the part of the scenario that decides it: the geometry (rows
and their embeddings, before any label is looked at), the neighbor graph of it, and the labeling.
"""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from wann_core.datasets import Dataset
from wann_core.datasets.resolve import load_with_fingerprint
from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.scenario import Scenario, graph_neighbors
from wann_core.methods import reduction, sampling
from wann_core.methods.reduction import Reducer
from wann_core.methods.voting import adaptive_k
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.neighbors.plan import SEARCHES
from wann_core.noise import patterns
from wann_core.noise.registry import takes_embeddings
from wann_core.noise.unmet import unmet
from wann_core.paths import Roots
from wann_core.progress import Progress
from wann_core.storage.memory_cache import SharedCache
from wann_core.typing import Array

_LEAVE_ONE_OUT = (
    "This data set has no test rows: every training row is judged by the others, itself excluded."
)
_FITTED_TO_LABELS = ("LDA", "fLDA")


@dataclass(frozen=True, eq=False)
class Geometry:
    """Rows and their embeddings; independent of the labels."""

    rows: Array
    X_train: Array
    X_test: Array
    random_state: Any  # of the generator after the long tail was drawn
    notes: tuple[str, ...]
    reduce_seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of the embeddings."""
        return self.X_train.nbytes + self.X_test.nbytes


@dataclass(frozen=True)
class Preparation:
    """Prepares the scenarios of one data set and shares work between them.

    Attributes
    ----------
    data : Dataset
    source : tuple
        Its `datasets.fingerprint`.
    graph_k : int
        Neighbors a row.
    progress : callable or None
        Called by searches, and while another thread prepares the same; may raise to stop.
    """

    data: Dataset
    source: tuple[Any, ...]
    graph_k: int
    progress: Progress | None

    _geometries: ClassVar = SharedCache(max_bytes=2 << 30)
    _graphs: ClassVar = SharedCache(max_bytes=1 << 30)
    _labeled: ClassVar = SharedCache(max_bytes=1 << 30)
    _reducers: ClassVar = SharedCache(max_bytes=1 << 28)

    @classmethod
    def of(cls, scenario: Scenario, roots: Roots, progress: Progress | None) -> "Preparation":
        """Load the scenario's data set.

        Raises
        ------
        WannError
            As `datasets.load` does.
        """
        data, source = load_with_fingerprint(scenario.dataset, scenario.backbone, roots, progress)
        return cls(data, source, graph_neighbors(scenario), progress)

    @classmethod
    def clear(cls) -> None:
        """Drop everything that was prepared, for every data set."""
        for cache in (cls._geometries, cls._graphs, cls._labeled, cls._reducers):
            cache.clear()

    def labeled(self, labeling: Scenario) -> PreparedData:
        """Return rows, labels and neighbors of a `Scenario.labeling`."""
        build = partial(self._build_labeled, labeling)
        return self._labeled.get((self._key(labeling), self.graph_k), build, self.progress)

    def drawn(self, labeling: Scenario) -> tuple[Array, Array, Array]:
        """Return rows, labels and row numbers of a `Scenario.labeling`, and search no neighbors."""
        base = self._geometry(labeling.geometry())
        return base.X_train, self._labels(labeling, base)[0].labels, base.rows

    def project(self, labeling: Scenario, X: Array) -> Array:
        """Normalize and reduce new rows as the training rows of a `Scenario.labeling` were."""
        base = self._geometry(dataclasses.replace(labeling, reduction=None).geometry())
        _, X_new = reduction.normalize(self._raw(base.rows), X, labeling.normalization)
        if labeling.reduction is None:
            return X_new
        if labeling.reduction in _FITTED_TO_LABELS:
            reducer = self._fit_discriminants(labeling, base, self.labeled(labeling).labels)
        else:
            reducer = self._fit_pca(labeling.geometry(), base)
        return reducer.transform(X_new, labeling.reduction_size)

    def _key(self, fixed: Scenario) -> tuple[Any, ...]:
        # A session may register another noise pattern under the same name.
        return self.source, fixed, tuple(fixed.plugins.items())

    def _build_labeled(self, labeling: Scenario) -> tuple[PreparedData, int]:
        base = self._geometry(labeling.geometry())
        noisy, clean, noise_note = self._labels(labeling, base)
        X_train, X_test, reduce_seconds = base.X_train, base.X_test, base.reduce_seconds
        if labeling.reduction in _FITTED_TO_LABELS:
            reducer = self._fit_discriminants(labeling, base, noisy.labels)
            X_train, X_test, reduce_seconds = _projected(reducer, base, labeling.reduction_size)
            graph = self._search(labeling.search, X_train, X_test)
        else:
            graph = self._graph(labeling.geometry())
        for array in (noisy.labels, clean):
            array.setflags(write=False)
        data = self.data
        row_ids = data.train.ids[base.rows]
        made = PreparedData(
            scenario=labeling,
            dataset=data,
            rows=base.rows,
            row_ids=row_ids,
            test_ids=row_ids if data.test is None else data.test.ids,
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
            noise_note=noise_note,
        )
        own = made.labels.nbytes + made.clean_labels.nbytes + made.row_ids.nbytes
        if X_train is not base.X_train:
            own += graph.nbytes + X_train.nbytes + X_test.nbytes
        return made, own

    def _labels(
        self, labeling: Scenario, base: Geometry
    ) -> tuple[patterns.NoisyLabels, Array, str]:
        """Noisy labels, true labels where known, and noise that could not be drawn."""
        train = self.data.train
        given, clean = train.y[base.rows], train.true[base.rows]
        rng = np.random.RandomState(labeling.seed)
        if labeling.imbalance_ratio is not None:
            rng.set_state(base.random_state)
        noisy = patterns.add_noise(
            given,
            labeling.noise_pattern,
            labeling.noise_ratio,
            rng=rng,
            n_classes=self.data.n_classes,
            draw=labeling.draw,
            dataset=self.data.name,
            X=self._raw(base.rows) if takes_embeddings(labeling.noise_pattern) else None,
            matrix=labeling.transition_matrix,
        )
        note = unmet(
            given,
            noisy.labels,
            labeling.noise_pattern,
            labeling.noise_ratio,
            draw=labeling.draw,
            dataset=self.data.name,
            class_names=self.data.class_names,
            matrix=labeling.transition_matrix,
        )
        if train.clean is not None:
            noisy = patterns.compare(clean, noisy.labels, self.data.n_classes)
        return noisy, clean, note

    def _graph(self, geometry: Scenario) -> NeighborGraph:
        def build() -> tuple[NeighborGraph, int]:
            base = self._geometry(geometry)
            made = self._search(geometry.search, base.X_train, base.X_test)
            return made, made.nbytes

        return self._graphs.get((self.source, geometry, self.graph_k), build, self.progress)

    def _search(self, search: str, X_train: Array, X_test: Array) -> NeighborGraph:
        if X_test is not X_train:
            return neighbor_graph(X_train, X_test, self.graph_k, self.progress, search)
        graph = neighbor_graph(X_train, None, self.graph_k, self.progress, search)
        ids, distances = graph.train_ids, graph.train_distances
        return dataclasses.replace(graph, test_ids=ids, test_distances=distances)

    def _geometry(self, geometry: Scenario) -> Geometry:
        # The rows are the same however their neighbors are searched.
        geometry = dataclasses.replace(geometry, search=SEARCHES[0])

        def build() -> tuple[Geometry, int]:
            whole = dataclasses.replace(geometry, reduction=None, reduction_size=None)
            if geometry == whole:
                made = self._draw_rows(geometry)
            else:
                base = self._geometry(whole)
                reducer = self._fit_pca(geometry, base)
                X_train, X_test, seconds = _projected(reducer, base, geometry.reduction_size)
                made = dataclasses.replace(
                    base, X_train=X_train, X_test=X_test, reduce_seconds=seconds
                )
            return made, made.nbytes

        return self._geometries.get((self.source, geometry), build, self.progress)

    def _draw_rows(self, geometry: Scenario) -> Geometry:
        """Sample and normalize by a `Scenario.geometry` without reduction."""
        data = self.data
        rng = np.random.RandomState(geometry.seed)
        labels = data.train.y
        rows, notes = np.arange(len(labels)), list[str]()
        if geometry.imbalance_ratio is not None:
            rows, notes = sampling.long_tail(labels, geometry.imbalance_ratio, rng)
        if geometry.num_subsamples is not None:
            rows = rows[sampling.subsample(labels[rows], geometry.num_subsamples, geometry.seed)]
        raw = self._raw(rows)
        # Without test rows a single one stands in for them, so that nothing is computed twice.
        raw_test = raw[:1] if data.test is None else data.test.X
        X_train, X_test = reduction.normalize(raw, raw_test, geometry.normalization)
        if data.test is None:
            X_test = X_train
            notes.append(_LEAVE_ONE_OUT)
        return Geometry(rows, X_train, X_test, rng.get_state(), tuple(notes))

    def _raw(self, rows: Array) -> Array:
        """Embeddings of these training rows as they lie in the source; all of them: no copy."""
        X = self.data.train.X
        whole = len(rows) == len(X) and np.array_equal(rows, np.arange(len(rows)))
        return X if whole else X[rows]

    def _fit_pca(self, geometry: Scenario, base: Geometry) -> Reducer:
        published = geometry.reduction_size is None
        return self._fitted(geometry, lambda: reduction.fit_pca(base.X_train, published=published))

    def _fit_discriminants(self, labeling: Scenario, base: Geometry, labels: Array) -> Reducer:
        """LDA; under fLDA of the rows that their neighbors explain."""

        def fit() -> Reducer:
            if labeling.reduction == "LDA":
                return reduction.fit_lda(base.X_train, labels)
            graph = self._graph(labeling.geometry())
            started = time.perf_counter()
            k_min, k_max = (min(k, len(labels) - 1) for k in reduction.FLDA_K)
            fit_on = adaptive_k(graph.train_ids, labels, k_min, k_max) < k_max
            reducer = reduction.fit_lda(base.X_train, labels, fit_on=fit_on)
            # The search may have been made for something else: it is a part of fLDA all the same.
            seconds = graph.seconds + time.perf_counter() - started
            return dataclasses.replace(reducer, seconds=seconds)

        return self._fitted(labeling, fit)

    def _fitted(self, fixed: Scenario, fit: Callable[[], Reducer]) -> Reducer:
        """One fit for all sizes that are asked for: they are its leading columns."""

        def build() -> tuple[Reducer, int]:
            made = fit()
            return made, made.nbytes

        published = fixed.reduction_size is None and fixed.reduction == "PCA"
        alike = dataclasses.replace(fixed, reduction_size=None, search=SEARCHES[0])
        return self._reducers.get((self._key(alike), published), build, self.progress)


def _projected(reducer: Reducer, whole: Geometry, size: int | None) -> tuple[Array, Array, float]:
    """Both splits in fewer dimensions, and the seconds of the whole reduction."""
    started = time.perf_counter()
    X_train = reducer.transform(whole.X_train, size)
    same = whole.X_test is whole.X_train
    X_test = X_train if same else reducer.transform(whole.X_test, size)
    return X_train, X_test, reducer.seconds + time.perf_counter() - started

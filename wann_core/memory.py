"""What prepared scenarios share, in memory: geometries, graphs, labellings, fitted reductions."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from wann_core import store
from wann_core.datasets import Dataset
from wann_core.neighbors import NeighborGraph, Progress
from wann_core.prepared import (
    Geometry,
    Prepared,
    Reducer,
    add_labels,
    make_geometry,
    reduced_by_pca,
)

if TYPE_CHECKING:
    from wann_core.scenario import Scenario

Array = npt.NDArray[Any]

_geometries = store.SharedCache(max_bytes=2 << 30)
_graphs = store.SharedCache(max_bytes=1 << 30)
_labelled = store.SharedCache(max_bytes=1 << 30)
_reducers = store.SharedCache(max_bytes=1 << 28)


@dataclasses.dataclass(frozen=True)
class Maker:
    """Makes what a scenario needs of one data set, or finds it made.

    Attributes
    ----------
    data : Dataset
    source : tuple
        Its `datasets.fingerprint`.
    graph_k : int
        Neighbours a row.
    progress : callable or None
        Told of searches.
    """

    data: Dataset
    source: tuple[Any, ...]
    graph_k: int
    progress: Progress | None

    def labelled(self, labelling: "Scenario") -> Prepared:
        """Rows, labels and neighbours of a `Scenario.labelling`."""
        build = partial(self._build_labelled, labelling)
        return _labelled.get((self.source, labelling, self.graph_k), build)

    def _build_labelled(self, labelling: "Scenario") -> tuple[Prepared, int]:
        geometry = labelling.geometry()
        base = self._geometry(geometry)

        def build_graph() -> tuple[NeighborGraph, int]:
            made = self._search(base.X_train, base.X_test)
            return made, made.nbytes

        def base_graph() -> NeighborGraph:
            return _graphs.get((self.source, geometry, self.graph_k), build_graph)

        made = add_labels(
            self.data, labelling, base, base_graph, self._search, partial(self._fitted, labelling)
        )
        own = made.labels.nbytes + made.clean_labels.nbytes + made.row_ids.nbytes
        if made.X_train is not base.X_train:
            own += made.graph.nbytes + made.X_train.nbytes + made.X_test.nbytes
        return made, own

    def _geometry(self, geometry: "Scenario") -> Geometry:
        def build() -> tuple[Geometry, int]:
            whole = dataclasses.replace(geometry, reduction=None, reduction_size=None)
            if geometry == whole:
                made = make_geometry(self.data, geometry)
            else:
                fitted = partial(self._fitted, geometry)
                made = reduced_by_pca(self._geometry(whole), geometry.reduction_size, fitted)
            return made, made.X_train.nbytes + made.X_test.nbytes

        return _geometries.get((self.source, geometry), build)

    def _fitted(self, fixed: "Scenario", fit: Callable[[], Reducer]) -> Reducer:
        """One fit for all sizes that are asked for: they are its leading columns."""

        def build() -> tuple[Reducer, int]:
            made = fit()
            return made, made.nbytes

        published = fixed.reduction_size is None and fixed.reduction == "PCA"
        key = (self.source, dataclasses.replace(fixed, reduction_size=None), published)
        return _reducers.get(key, build)

    def _search(self, X_train: Array, X_test: Array) -> NeighborGraph:
        if X_test is not X_train:
            return store.neighbor_graph(X_train, X_test, self.graph_k, self.progress)
        graph = store.neighbor_graph(X_train, None, self.graph_k, self.progress)
        ids, distances = graph.train_ids, graph.train_distances
        return dataclasses.replace(graph, test_ids=ids, test_distances=distances)

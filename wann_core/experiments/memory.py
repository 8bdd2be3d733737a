"""What prepared scenarios share, in memory: geometries, graphs, labelings, fitted reductions."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from wann_core.datasets import Dataset
from wann_core.experiments.prepared import (
    Geometry,
    PreparedData,
    Reducer,
    add_labels,
    make_geometry,
    reduced_by_pca,
)
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.neighbors.plan import SEARCHES
from wann_core.progress import Progress
from wann_core.storage.memory_cache import SharedCache
from wann_core.typing import Array

if TYPE_CHECKING:
    from wann_core.experiments.scenario import Scenario


_geometries = SharedCache(max_bytes=2 << 30)
_graphs = SharedCache(max_bytes=1 << 30)
_labeled = SharedCache(max_bytes=1 << 30)
_reducers = SharedCache(max_bytes=1 << 28)


@dataclasses.dataclass(frozen=True)
class PreparationCache:
    """Makes what a scenario needs of one data set, or finds it made.

    Attributes
    ----------
    data : Dataset
    source : tuple
        Its `datasets.fingerprint`.
    graph_k : int
        Neighbors a row.
    progress : callable or None
        Told of searches.
    """

    data: Dataset
    source: tuple[Any, ...]
    graph_k: int
    progress: Progress | None

    def labeled(self, labeling: "Scenario") -> PreparedData:
        """Rows, labels and neighbors of a `Scenario.labeling`."""
        build = partial(self._build_labeled, labeling)
        return _labeled.get((self.source, labeling, self.graph_k), build)

    def _build_labeled(self, labeling: "Scenario") -> tuple[PreparedData, int]:
        geometry = labeling.geometry()
        base = self._geometry(geometry)
        search = partial(self._search, labeling.search)

        def build_graph() -> tuple[NeighborGraph, int]:
            made = search(base.X_train, base.X_test)
            return made, made.nbytes

        def base_graph() -> NeighborGraph:
            return _graphs.get((self.source, geometry, self.graph_k), build_graph)

        made = add_labels(
            self.data, labeling, base, base_graph, search, partial(self._fitted, labeling)
        )
        own = made.labels.nbytes + made.clean_labels.nbytes + made.row_ids.nbytes
        if made.X_train is not base.X_train:
            own += made.graph.nbytes + made.X_train.nbytes + made.X_test.nbytes
        return made, own

    def _geometry(self, geometry: "Scenario") -> Geometry:
        # The rows are the same however their neighbors are searched.
        geometry = dataclasses.replace(geometry, search=SEARCHES[0])

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
        alike = dataclasses.replace(fixed, reduction_size=None, search=SEARCHES[0])
        key = (self.source, alike, published)
        return _reducers.get(key, build)

    def _search(self, search: str, X_train: Array, X_test: Array) -> NeighborGraph:
        if X_test is not X_train:
            return neighbor_graph(X_train, X_test, self.graph_k, self.progress, search)
        graph = neighbor_graph(X_train, None, self.graph_k, self.progress, search)
        ids, distances = graph.train_ids, graph.train_distances
        return dataclasses.replace(graph, test_ids=ids, test_distances=distances)

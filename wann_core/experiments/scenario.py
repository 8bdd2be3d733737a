"""A scenario: all settings of a run, as one frozen value.

The neighbor graph depends on the scenario's geometry alone (embeddings, rows, label-free
reduction). Noise, method and k only vote again; LDA and fLDA, which are fitted to the labels,
search again for new labels.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from wann_core import datasets
from wann_core.errors import WannError, check_choice, check_number
from wann_core.methods import reduction, sampling
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.probes.losses.registry import ALL_LOSSES
from wann_core.methods.registry import ALL_METHODS, CLASSIFIERS, by_adaptive_k, method_entry
from wann_core.neighbors.plan import SEARCHES
from wann_core.noise import patterns
from wann_core.noise.registry import ALL_PATTERNS
from wann_core.registry import check_name

# A graph holds at least this many neighbors, so that no usual k or bound asks for another one.
_GRAPH_K = 51
_MOST_NEIGHBORS = 1_000_000


@dataclass(frozen=True)
class Scenario:
    """All settings of a run; hashable, and written into every result.

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
    noise_pattern : {'sym', 'asym', 'instance', 'similar', 'matrix'} or str or None
    noise_ratio : float
        ε in [0, 1].
    draw : {'reference', 'exact'}
        Published draws, or draws whose realized ratio is the asked one; see `patterns.add_noise`.
    transition_matrix : tuple of tuples of float, or None
        For pattern 'matrix'.
    normalization : {'zscore', 'l2', 'none'}
    reduction : {'PCA', 'LDA', 'fLDA'} or None
    reduction_size : int or None
        Dimensions after it; None is the published choice.
    method : str
        'WANN', 'ANN' or 'kNN', which vote; or one of `probing.TRAINED`: a linear probe, named by
        its loss, logistic regression, or a classifier that was registered.
    k : int
        Neighbors of kNN.
    k_min, k_max : int
        Bounds of the adaptive k. With few rows they and k are cut to what there is.
    search : {'auto', 'flat', 'torch'}
        How neighbors are searched: as fast as measured recall allows, exactly, or exactly by
        torch; see `NeighborGraph.build`.
    probe : ProbeSettings
        How a linear probe is trained.

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
    search: str = "auto"
    probe: ProbeSettings = field(default_factory=ProbeSettings)

    def __post_init__(self) -> None:
        if self.num_subsamples == -1:
            object.__setattr__(self, "num_subsamples", None)
        if self.transition_matrix is not None:
            rows = patterns.matrix_rows(self.transition_matrix)
            object.__setattr__(self, "transition_matrix", rows)
        check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        if self.imbalance_ratio is not None:
            sampling.check_imbalance(self.imbalance_ratio)
        if self.num_subsamples is not None:
            check_number("num_subsamples", self.num_subsamples, 1, whole=True)
        if self.noise_pattern is not None:
            check_name("noise_pattern", self.noise_pattern, ALL_PATTERNS)
        check_number("noise_ratio", self.noise_ratio, 0, 1)
        check_choice("draw", self.draw, patterns.DRAWS)
        check_choice("normalization", self.normalization, reduction.NORMALIZATIONS)
        if self.reduction is not None:
            check_choice("reduction", self.reduction, reduction.REDUCTIONS)
        if self.reduction_size is not None:
            check_number("reduction_size", self.reduction_size, 1, whole=True)
        check_name("method", self.method, ALL_METHODS, ALL_LOSSES)
        check_number("k", self.k, 1, _MOST_NEIGHBORS, whole=True)
        check_number("k_max", self.k_max, 1, _MOST_NEIGHBORS, whole=True)
        check_number("k_min", self.k_min, 1, self.k_max, whole=True)
        check_choice("search", self.search, SEARCHES)

    @property
    def method_name(self) -> str:
        """The method as tables name it: 'kNN-11', 'ANN', 'WANN'."""
        return f"kNN-{self.k}" if self.method == "kNN" else self.method

    @property
    def uses_search(self) -> bool:
        """Whether the method's predictions depend on the neighbor search."""
        if self.method in CLASSIFIERS:
            return self.reduction == "fLDA"
        return self.method not in LOSSES

    @property
    def is_drawn(self) -> bool:
        """Whether the run depends on its seed."""
        rows = self.imbalance_ratio is not None or self.num_subsamples is not None
        # A probe's seed draws its validation rows and its first weights too.
        seeded = self.method in LOSSES or self.method in CLASSIFIERS
        return rows or seeded or self.noise_pattern is not None

    @property
    def plugins(self) -> dict[str, str]:
        """Digests of the plug-ins that the run uses, by name."""
        named = [method_entry(self.method)]
        if self.noise_pattern is not None:
            named.append(ALL_PATTERNS[self.noise_pattern])
        return {entry.name: entry.digest for entry in named if entry.digest}

    def with_method(self, name: str) -> "Scenario":
        """The same scenario under a method named as `method_name` does."""
        return dataclasses.replace(self, **method_fields(name))

    def canonical(self) -> "Scenario":
        """The same run with every setting that does not affect it at its default."""
        if self._is_silent:
            return dataclasses.replace(self, noise_pattern=None).canonical()
        default = Scenario()
        unused = {
            "k": self.method != "kNN",
            "k_min": not by_adaptive_k(self.method),
            "k_max": not by_adaptive_k(self.method),
            "probe": self.method not in LOSSES,
            "search": not self.uses_search,
            "seed": not self.is_drawn,
            "noise_ratio": self.noise_pattern in (None, "matrix"),
            "draw": self.noise_pattern is None or ALL_PATTERNS[self.noise_pattern].digest != "",
            "transition_matrix": self.noise_pattern != "matrix",
            "reduction_size": self.reduction is None,
        }
        changes: dict[str, Any] = {n: getattr(default, n) for n, free in unused.items() if free}
        if all(getattr(self, name) == value for name, value in changes.items()):
            return self
        return dataclasses.replace(self, **changes)

    @property
    def _is_silent(self) -> bool:
        """Whether the noise ratio is 0, so that the pattern changes nothing."""
        if self.noise_pattern is None or self.noise_ratio != 0:
            return False
        return self.draw in ALL_PATTERNS[self.noise_pattern].silent_at_zero

    def geometry(self) -> "Scenario":
        """The part that fixes the rows and their neighbors; all else at its default."""
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
            search=self.search,
        )

    def labeling(self) -> "Scenario":
        """The part that fixes rows, labels and neighbors: all but the votes."""
        default = Scenario()
        return dataclasses.replace(
            self,
            method=default.method,
            k=default.k,
            k_min=default.k_min,
            k_max=default.k_max,
            probe=default.probe,
        )


def method_fields(name: str) -> dict[str, Any]:
    """The fields that a method's name sets: `method`, and `k` where the name holds one.

    Raises
    ------
    WannError
        If the name is not like that of a method.

    Examples
    --------
    >>> method_fields("kNN-5"), method_fields("WANN")
    ({'method': 'kNN', 'k': 5}, {'method': 'WANN'})
    """
    if name in ALL_METHODS or name in ALL_LOSSES:
        return {"method": name}
    method, _, k = name.partition("-")
    if k and not (method == "kNN" and k.isascii() and k.isdigit() and len(k) < 10):
        raise WannError(
            f"`method` must be like kNN-11, ANN, WANN, ce or logreg, got {name!r}.", "method"
        )
    return {"method": method, "k": int(k)} if k else {"method": method}


def graph_neighbors(scenario: Scenario) -> int:
    """Neighbors that a graph for the scenario holds: 51, or more where it asks for more."""
    return max(_GRAPH_K, scenario.k_max, scenario.k if scenario.method == "kNN" else 1)

"""The runs that a page asks for, as one value."""

from dataclasses import dataclass
from typing import Any

from ui.shell.sentences import counted
from wann_core.experiments import grid
from wann_core.experiments.scenario import Scenario

REDUCTION = "reduction"


@dataclass(frozen=True)
class Plan:
    """Methods along an axis over several seeds; hashable, so that it names its job.

    Attributes
    ----------
    base : Scenario
        What all runs have in common.
    methods : tuple of str
    seeds : tuple of int
        Empty for the base's own alone.
    axis : str
        One of `grid.AXES`, 'reduction', or empty for the base alone.
    values : tuple
        Points on the axis: an imbalance of 1 is none; under 'reduction' pairs of its name and its
        dimensions.
    columns : int
        Dimensions of the embeddings as they are, under 'reduction'.
    """

    base: Scenario
    methods: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    axis: str = ""
    values: tuple[Any, ...] = ()
    columns: int = 0

    def in_words(self) -> str:
        """How many runs, and of what."""
        points, what = len(self.values), "value"
        if self.axis == REDUCTION:
            points, what = sum(len(sizes) for _, sizes in self.values), "embedding"
        runs = points * len(self.methods) * len(self.seeds)
        seeds = f"{self.seeds[0]} to {self.seeds[-1]}" if len(self.seeds) > 1 else self.seeds[0]
        return (
            f"{counted(points, what)} × {counted(len(self.methods), 'method')} × "
            f"{counted(len(self.seeds), 'seed')} ({seeds}): {counted(runs, 'run')}"
        )

    def scenarios(self) -> list[Scenario]:
        """All its runs."""
        if not self.axis:
            return [self.base.with_method(name) for name in self.methods]
        if self.axis == REDUCTION:
            return grid.dimension_grid(self.base, dict(self.values), self.methods, self.seeds)
        values = list(self.values)
        if self.axis == "imbalance_ratio":
            values = [None if value == 1 else value for value in values]
        return grid.grid(self.base, self.axis, values, self.methods, self.seeds)

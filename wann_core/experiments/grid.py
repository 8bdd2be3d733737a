"""Run scenarios along one axis, over methods and seeds, and summarize them."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy.stats import t as student

from wann_core.errors import WannError, check_choice
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.run import classify, prepare
from wann_core.experiments.scenario import Scenario, graph_neighbors
from wann_core.methods.probes import LOSSES
from wann_core.methods.registry import BASELINES, TRAINED
from wann_core.paths import DEFAULT_ROOTS, Roots
from wann_core.progress import Progress

if TYPE_CHECKING:
    from wann_core.experiments.probe_runs import TrainedReport

AXES = ("noise_ratio", "imbalance_ratio", "num_subsamples", "reduction_size")


def grid(
    base: Scenario,
    axis: str,
    values: Sequence[float | None],
    methods: Sequence[str],
    seeds: Sequence[int],
) -> list[Scenario]:
    """Return the scenarios of a comparison: by seed, then by value, then by method.

    Parameters
    ----------
    base : Scenario
    axis : {'noise_ratio', 'imbalance_ratio', 'num_subsamples', 'reduction_size'}
        The field that varies.
    values : sequence
        Its values; None where the field allows it.
    methods : sequence of str
        Names such as 'kNN-11', 'ANN', 'WANN'.
    seeds : sequence of int

    Raises
    ------
    WannError
        If an axis, value or method is out of range.

    Examples
    --------
    >>> cases = grid(Scenario(noise_pattern="sym"), "noise_ratio", [0.0, 0.2], ["kNN-11"], [1, 2])
    >>> [(case.seed, case.noise_ratio, case.method_name) for case in cases]
    [(1, 0.0, 'kNN-11'), (1, 0.2, 'kNN-11'), (2, 0.0, 'kNN-11'), (2, 0.2, 'kNN-11')]
    """
    check_choice("axis", axis, AXES)
    cases = []
    for seed in seeds:
        for value in values:
            changes: dict[str, Any] = {"seed": seed, axis: value}
            case = dataclasses.replace(base, **changes)
            cases += [case.with_method(method) for method in methods]
    return cases


def dimension_grid(
    base: Scenario,
    sizes: Mapping[str | None, Sequence[int | None]],
    methods: Sequence[str],
    seeds: Sequence[int],
) -> list[Scenario]:
    """The scenarios of a comparison of reductions, each at dimensions of its own; seed by seed.

    Parameters
    ----------
    base : Scenario
    sizes : mapping of reduction to sequence of int
        Such as `reduction.sizes` offers; under None, no reduction, one entry None.
    methods : sequence of str
    seeds : sequence of int

    Raises
    ------
    WannError
        If a reduction, size or method is out of range.

    Examples
    --------
    >>> cases = dimension_grid(Scenario(), {None: [None], "PCA": [2, 8]}, ["WANN"], [1])
    >>> [(case.reduction, case.reduction_size) for case in cases]
    [(None, None), ('PCA', 2), ('PCA', 8)]
    """
    cases = []
    for seed in seeds:
        for name, values in sizes.items():
            reduced = dataclasses.replace(base, reduction=name)
            cases += grid(reduced, "reduction_size", values, methods, [seed])
    return cases


def warm_up() -> None:
    """Load the compiled kernels, so that the first of the runs is not timed with them."""
    small = Scenario(num_subsamples=100)
    for _ in run_all([small.with_method(name) for name in BASELINES]):
        pass


def _give_up(scenario: Scenario, error: WannError) -> None:
    raise error


def run_all(
    scenarios: Iterable[Scenario],
    roots: Roots = DEFAULT_ROOTS,
    *,
    progress: Progress | None = None,
    on_error: Callable[[Scenario, WannError], None] = _give_up,
    **folders: str | Path,
) -> "Iterator[Report | TrainedReport]":
    """Run many scenarios and yield each report as it is ready.

    Neighboring scenarios that differ in method and k alone share one preparation; linear probes
    train together, when the first of them is due.

    Parameters
    ----------
    scenarios : iterable of Scenario
    roots, progress, **folders
        As in `prepare`; `progress` counts whole scenarios, and searches within them.
    on_error : callable, optional
        `on_error(scenario, error)` is called for a vote that fails; unless it raises, the
        runs go on without that one. By default it raises.

    Raises
    ------
    WannError
        As `run` does.
    """
    todo, roots = list(scenarios), roots.replaced(**folders)
    ends = list(itertools.accumulate(run_units(todo)))
    neighbors = _most_neighbors(todo)
    together = _batches(todo)
    prepared: PreparedData | None = None
    trained: dict[int, TrainedReport] = {}
    before = 0
    for i, (scenario, end) in enumerate(zip(todo, ends, strict=True)):
        text = f"run {i + 1} of {len(todo)}"

        def within(
            done: float,
            total: float,
            what: str,
            start: int = before,
            end: int = end,
            text: str = text,
        ) -> None:
            if progress is not None:
                progress(start + (end - start) * done / total, ends[-1], f"{text}: {what}")

        before = end
        if scenario.method in TRAINED:
            if i not in trained:
                from wann_core.experiments.probe_runs import run_trained

                reports = run_trained(
                    [todo[at] for at in together[i]],
                    roots,
                    progress=within,
                )
                trained |= dict(zip(together[i], reports, strict=True))
            yield trained.pop(i)
            if progress is not None:
                progress(end, ends[-1], text)
            continue
        try:
            most = neighbors[scenario.geometry()]
            report = _vote(scenario, most, prepared, within, roots)
        except WannError as error:
            on_error(scenario, error)
        else:
            prepared = report.prepared
            yield report
        if progress is not None:
            progress(end, ends[-1], text)


def _most_neighbors(scenarios: Sequence[Scenario]) -> dict[Scenario, int]:
    """Number of neighbors that each geometry's graph must hold for all its votes."""
    most: dict[Scenario, int] = {}
    for scenario in scenarios:
        geometry = scenario.geometry()
        most[geometry] = max(most.get(geometry, 1), graph_neighbors(scenario))
    return most


def _vote(
    scenario: Scenario,
    neighbors: int,
    prepared: PreparedData | None,
    progress: Progress,
    roots: Roots,
) -> Report:
    """Report of a voting method, from the last preparation where that fits."""
    # Of method and k only the neighbors that they need matter to what is prepared.
    shared = dataclasses.replace(scenario, method="kNN", k=neighbors)
    if prepared is None or prepared.scenario != shared:
        prepared = prepare(shared, roots, progress=progress)
    return classify(prepared, scenario)


def _batches(scenarios: Sequence[Scenario]) -> dict[int, list[int]]:
    """For the position of each trained method those of all that trains in one batch with it."""
    positions = [i for i, scenario in enumerate(scenarios) if scenario.method in TRAINED]
    if not positions:
        return {}
    from wann_core.experiments.probe_runs import batches

    found = batches([scenarios[i] for i in positions])
    made = [[positions[at] for at in batch] for batch in found]
    return {i: batch for batch in made for i in batch}


# A search costs about as much as this many new draws of noise and their votes.
_SEARCH_UNITS = 100


def run_units(scenarios: Sequence[Scenario]) -> list[int]:
    """Rough cost of each scenario, so that progress and the time left follow the clock."""
    seen, units = set(), []
    for scenario in scenarios:
        fitted = scenario.reduction in ("LDA", "fLDA")
        searched = scenario.labeling() if fitted else scenario.geometry()
        costly = scenario.method in TRAINED or searched not in seen
        units.append(1 + _SEARCH_UNITS if costly else 1)
        if scenario.method not in LOSSES:
            seen.add(searched)
    return units


def on_common_seeds(
    records: pd.DataFrame, point: Sequence[str], by: str = "method_name"
) -> pd.DataFrame:
    """Keep the runs of seeds that all have in common, so that means are over the same draws.

    A sweep that was stopped has reached some points, or methods at a point, with fewer seeds than
    the others. Kept are the seeds and points that leave the most runs.

    Parameters
    ----------
    records : DataFrame
        Rows of `records.report_record`.
    point : sequence of str
        Columns that name a point, such as ['noise_ratio'].
    by : str
        Column whose values are compared at each point.

    Returns
    -------
    DataFrame
        Those rows of `records`, in their order.
    """
    places = pd.Series(list(records[list(point)].itertuples(index=False, name=None)), records.index)
    shared: dict[Any, set[int]] = {}
    for (place, _), seeds in records.groupby([places, records[by]])["seed"]:
        shared[place] = shared.get(place, set(seeds)) & set(seeds)
    best: tuple[set[Any], set[int]] = (set(), set())
    for fewest in sorted({len(seeds) for seeds in shared.values()} - {0}):
        kept = {place for place, seeds in shared.items() if len(seeds) >= fewest}
        common = set.intersection(*(shared[place] for place in kept))
        if len(kept) * len(common) > len(best[0]) * len(best[1]):
            best = kept, common
    return records[places.isin(best[0]) & records["seed"].isin(best[1])]


def summary(records: pd.DataFrame, axis: str, metric: str, by: str = "method_name") -> pd.DataFrame:
    """Mean and standard deviation (of n - 1) over the seeds, one row a method and axis value.

    Parameters
    ----------
    records : DataFrame
        Rows of `export.report_record`, and the column `axis`.
    axis, metric : str
        Columns.
    by : str
        Column whose values are compared, for example 'reduction'.

    Returns
    -------
    DataFrame
        `by`, `axis`, mean, std (NaN for a single seed), seeds; methods in their order of
        appearance, values ascending.
    """
    order = list(dict.fromkeys(records[by]))
    grouped = records.groupby([by, axis])[metric].agg(["mean", "std", "count"])
    table = grouped.rename(columns={"count": "seeds"}).reset_index()
    rank = table[by].map(order.index)
    return table.assign(rank=rank).sort_values(["rank", axis]).drop(columns="rank")


def paired_gain(
    records: pd.DataFrame, axis: str, metric: str, reference: str = "kNN-11"
) -> pd.DataFrame:
    """Mean difference to a reference method under the same seed, with a 95 % t interval.

    The pairs share rows and labels, so that what varies between seeds for both cancels out.

    Returns
    -------
    DataFrame
        method_name, `axis`, gain, low, high (NaN for a single seed, or where all seeds agree),
        seeds. The interval covers the draws, not the finite test set.
    """
    pairs = records.merge(
        records.loc[records["method_name"] == reference, [axis, "seed", metric]],
        on=[axis, "seed"],
        suffixes=("", "_reference"),
    )
    pairs = pairs[pairs["method_name"] != reference]
    pairs = pairs.assign(gain=pairs[metric] - pairs[f"{metric}_reference"])
    table = summary(pairs, axis, "gain")

    def half(std: float, seeds: int) -> float:
        # Without spread (no noise and all rows: nothing is drawn) seeds are not repetitions; equal
        # differences of scores need not be equal in their last bits.
        if seeds < 2 or std < 1e-12:
            return math.nan
        return float(student.ppf(0.975, seeds - 1)) * std / math.sqrt(seeds)

    halves = [half(s, n) for s, n in zip(table["std"], table["seeds"], strict=True)]
    gain = table["mean"]
    return table.assign(gain=gain, low=gain - halves, high=gain + halves)[
        ["method_name", axis, "gain", "low", "high", "seeds"]
    ]

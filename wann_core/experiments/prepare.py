"""Prepare what a scenario's methods need, or find it in a cache."""

import dataclasses
import time
from pathlib import Path

from wann_core.experiments.preparation import Preparation
from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.scenario import Scenario
from wann_core.paths import DEFAULT_ROOTS, Roots
from wann_core.progress import Progress


def prepare(
    scenario: Scenario,
    roots: Roots = DEFAULT_ROOTS,
    *,
    progress: Progress | None = None,
    **folders: str | Path,
) -> PreparedData:
    """Load, sample, label, normalize and reduce the data, and find its neighbors.

    Parameters
    ----------
    scenario : Scenario
    roots : Roots
        Folders of data sets.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.
    **folders
        `database_root` and `dataset_root` replace a folder of `roots`.

    Returns
    -------
    PreparedData
        Shared with later callers: its arrays must not be written to.

    Raises
    ------
    WannError
        If the data cannot be had, or cannot serve the scenario.
    """
    started = time.perf_counter()
    preparation = Preparation.of(scenario, roots.replaced(**folders), progress)
    labeled = preparation.labeled(scenario.labeling())
    seconds = time.perf_counter() - started
    return dataclasses.replace(labeled, scenario=scenario, seconds=seconds)

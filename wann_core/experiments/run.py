"""One run: prepare a scenario's data and predict the test rows."""

import time
from pathlib import Path

import numpy as np

from wann_core.errors import WannError, check_choice
from wann_core.experiments.prepare import prepare
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.probe_runs import TrainedReport, run_trained
from wann_core.experiments.scenario import Scenario
from wann_core.methods.metrics import Metrics
from wann_core.methods.registry import METHODS, TRAINED
from wann_core.methods.voting import vote
from wann_core.paths import DEFAULT_ROOTS, Roots
from wann_core.progress import Progress
from wann_core.typing import Array

__all__ = ["cast_votes", "classify", "prepare", "run"]


def classify(prepared: PreparedData, scenario: Scenario | None = None) -> Report:
    """Predict the test rows by a method.

    Parameters
    ----------
    prepared : PreparedData
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
        neighbors than were searched.
    """
    asked = prepared.scenario if scenario is None else scenario
    started = time.perf_counter()
    predictions, voters = cast_votes(prepared, asked)
    seconds = time.perf_counter() - started
    metrics = Metrics.of(prepared.y_test, predictions, prepared.dataset.n_classes)
    return Report(asked, prepared, predictions, voters, metrics, seconds)


def cast_votes(prepared: PreparedData, asked: Scenario) -> tuple[Array, Array]:
    """Winning class, its share of the votes, and the number of voters per test row.

    Returns
    -------
    predictions : ndarray of shape (m,), int64
    voters : ndarray of shape (m,), int32

    Raises
    ------
    WannError
        As `classify` does.
    """
    check_choice("method", asked.method, METHODS)
    same_bounds = (asked.k_min, asked.k_max) == (prepared.scenario.k_min, prepared.scenario.k_max)
    if asked.labeling() != prepared.scenario.labeling() or not same_bounds:
        raise WannError("the scenario asks for other rows, labels or bounds than were prepared.")
    ids = prepared.graph.test_ids
    assert ids is not None
    weights = None
    if asked.method == "kNN":
        k = min(asked.k, len(prepared.labels) - prepared.leave_one_out)
        voters = np.full(len(ids), k, np.int32)
    else:
        voters = prepared.adaptive_k[ids[:, 0]]
        weights = prepared.reliability if asked.method == "WANN" else None
    return vote(ids, prepared.labels, voters, weights), voters


def run(
    scenario: Scenario,
    roots: Roots = DEFAULT_ROOTS,
    *,
    progress: Progress | None = None,
    **folders: str | Path,
) -> Report | TrainedReport:
    """Prepare a scenario's data and predict its test rows by its method.

    Parameters
    ----------
    scenario, roots, progress, **folders
        As in `prepare`.

    Returns
    -------
    Report or TrainedReport
        The latter of a method that is fitted: a probe, logistic regression or a classifier.

    Raises
    ------
    WannError
        If the data cannot be had, or cannot serve the scenario.

    Examples
    --------
    >>> report = run(Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact"))
    >>> round(report.prepared.noise_ratio, 3), report.metrics.accuracy > 0.8
    (0.4, True)
    """
    if scenario.method in TRAINED:
        return run_trained([scenario], roots.replaced(**folders), progress=progress)[0]
    return classify(prepare(scenario, roots, progress=progress, **folders))

"""One run: prepare a scenario's data and predict the test rows."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wann_core.errors import WannError, check_choice
from wann_core.experiments.prepare import prepare
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.probe_runs import TrainedReport, run_trained
from wann_core.experiments.scenario import Scenario
from wann_core.methods.metrics import Metrics
from wann_core.methods.registry import METHODS, TRAINED
from wann_core.methods.voting import vote, votes
from wann_core.paths import DEFAULT_ROOTS, Roots
from wann_core.progress import Progress
from wann_core.typing import Array

__all__ = ["cast_votes", "classify", "classify_all", "prepare", "run"]


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
    return classify_all(prepared, [prepared.scenario if scenario is None else scenario])[0]


def classify_all(prepared: PreparedData, scenarios: Sequence[Scenario]) -> list[Report]:
    """Predict the test rows by several methods, in one pass over the neighbors.

    Parameters
    ----------
    prepared : PreparedData
    scenarios : sequence of Scenario
        As for `classify`.

    Returns
    -------
    list of Report
        The seconds of each are an equal share of the pass.

    Raises
    ------
    WannError
        As `classify` does.
    """
    started = time.perf_counter()
    ballots = [_ballot(prepared, asked) for asked in scenarios]
    ids = prepared.graph.test_ids
    assert ids is not None
    found = votes(ids, prepared.labels, ballots)
    seconds = (time.perf_counter() - started) / max(len(ballots), 1)
    n_classes, reports = prepared.dataset.n_classes, []
    for asked, predictions, (voters, _) in zip(scenarios, found, ballots, strict=True):
        metrics = Metrics.of(prepared.y_test, predictions, n_classes)
        reports.append(Report(asked, prepared, predictions, voters, metrics, seconds))
    return reports


def cast_votes(prepared: PreparedData, asked: Scenario) -> tuple[Array, Array]:
    """Winning class and number of voters of each test row.

    Returns
    -------
    predictions : ndarray of shape (m,), int64
    voters : ndarray of shape (m,), int32

    Raises
    ------
    WannError
        As `classify` does.
    """
    voters, weights = _ballot(prepared, asked)
    ids = prepared.graph.test_ids
    assert ids is not None
    return vote(ids, prepared.labels, voters, weights), voters


def _ballot(prepared: PreparedData, asked: Scenario) -> tuple[Array, Array | None]:
    """Number of voters of each test row, and the weight of each training row's vote."""
    check_choice("method", asked.method, METHODS)
    same_bounds = (asked.k_min, asked.k_max) == (prepared.scenario.k_min, prepared.scenario.k_max)
    if asked.labeling() != prepared.scenario.labeling() or not same_bounds:
        raise WannError("the scenario asks for other rows, labels or bounds than were prepared.")
    ids = prepared.graph.test_ids
    assert ids is not None
    if asked.method == "kNN":
        k = min(asked.k, len(prepared.labels) - prepared.leave_one_out)
        return np.full(len(ids), k, np.int32), None
    voters = prepared.adaptive_k[ids[:, 0]]
    return voters, prepared.reliability if asked.method == "WANN" else None


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

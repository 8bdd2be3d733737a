"""Train the methods of scenarios: probes, logistic regression, registered classifiers.

Probes of scenarios that share their embeddings train together, whatever their seeds and noise.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from wann_core import datasets
from wann_core.errors import WannError, check_choice, check_installed
from wann_core.experiments.prepare import prepare
from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.probe_data import Source, make_data
from wann_core.experiments.scenario import Scenario
from wann_core.methods.classifier import ClassifierFit, fit_classifier
from wann_core.methods.metrics import Metrics
from wann_core.methods.probes.data import ProbeData
from wann_core.methods.probes.fits import Epoch, Fit
from wann_core.methods.probes.logistic import LogisticFit, fit_logistic
from wann_core.methods.probes.losses.registry import (
    LOSSES,
    LossParameters,
    family_of,
    loss_parameters,
    recipe,
)
from wann_core.methods.probes.probe import Probe
from wann_core.methods.registry import LOGISTIC, TRAINED
from wann_core.paths import DEFAULT_ROOTS, Roots
from wann_core.progress import Progress
from wann_core.typing import Array

# Tasks (seeds, noise) that train together; more would gain little and hold back the first results.
_MOST_TASKS = 4


@dataclass(frozen=True, eq=False)
class TrainedReport:
    """Predictions and scores of one trained method; can replace a `Report`.

    Attributes
    ----------
    scenario : Scenario
        With the method that answered.
    prepared : ProbeData or PreparedData
        The rows that it was trained on: a probe's own, or those of the neighbor votes.
    predictions : ndarray of shape (m,), int64
        Class of each test row.
    confidence : ndarray of shape (m,), float64
        Probability of the predicted class.
    metrics : Metrics
    seconds : float
        Wall time of training (a probe's share of it) and answers.
    fit : Fit or LogisticFit or ClassifierFit
    """

    scenario: Scenario
    prepared: ProbeData | PreparedData
    predictions: Array
    confidence: Array
    metrics: Metrics
    seconds: float
    fit: Fit | LogisticFit | ClassifierFit

    @property
    def right(self) -> Array:
        """Which test rows got their true class, shape (m,), bool."""
        return np.asarray(self.predictions == self.prepared.y_test)

    @cached_property
    def details(self) -> dict[str, Any]:
        """Further fields of a record of this method; lists as JSON."""
        recall = [None if np.isnan(r) else round(float(r), 6) for r in self.metrics.recall]
        shared = {"train_seconds": self.seconds, "recall": json.dumps(recall)}
        if isinstance(self.fit, LogisticFit):
            return {**shared, "C": self.fit.C, "fitted_rows": self.fit.rows}
        if isinstance(self.fit, ClassifierFit):
            return {**shared, "fitted_rows": self.fit.rows}
        curve = [
            [round(e.train_loss, 6), round(e.val_accuracy, 6), round(e.test_accuracy, 6)]
            for e in self.fit.epochs
        ]
        if np.isnan(self.fit.epochs[0].test_accuracy):
            curve = [point[:2] for point in curve]
        used = parameters_of(self.scenario)
        return {
            **shared,
            "used_parameters": json.dumps(used.values),
            "parameter_family": used.family,
            "val_accuracy": self.fit.epochs[self.fit.best_epoch - 1].val_accuracy,
            "converged": self.fit.converged,
            "best_epoch": self.fit.best_epoch,
            "epochs": len(self.fit.epochs),
            "curve": json.dumps(curve),
        }


def parameters_of(scenario: Scenario) -> LossParameters:
    """The parameters of a probe's loss: published for the data set's family, some replaced.

    Raises
    ------
    WannError
        If a replaced parameter is unknown or out of range.
    """
    replaced = dict(scenario.probe.loss_parameters)
    return loss_parameters(scenario.method, family_of(scenario.dataset), replaced)


def run_trained(
    scenarios: Sequence[Scenario],
    roots: Roots = DEFAULT_ROOTS,
    *,
    device: str | None = None,
    watch_test: bool = False,
    margins: bool = False,
    progress: Progress | None = None,
    on_epoch: Callable[[list[Epoch]], None] | None = None,
) -> list[TrainedReport]:
    """Train the methods that scenarios name, and predict the test rows.

    Parameters
    ----------
    scenarios : sequence of Scenario
        With methods of `TRAINED`.
    roots : Roots
        Folders of data sets.
    device, watch_test, margins, on_epoch
        As in `training.train`, for the linear probes.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Returns
    -------
    list of TrainedReport
        In the order of the scenarios.

    Raises
    ------
    WannError
        If a scenario names another method, or the data cannot serve it.
    """
    for scenario in scenarios:
        check_choice("method", scenario.method, TRAINED)
    groups = batches(scenarios)
    reports: dict[int, TrainedReport] = {}
    for number, group in enumerate(groups):

        def within(done: float, total: float, text: str, number: int = number) -> None:
            if progress is not None:
                progress(number + done / total, len(groups), text)

        chosen = [scenarios[i] for i in group]
        if chosen[0].method in LOSSES:
            made = _run_probes(
                chosen,
                roots,
                device=device,
                watch_test=watch_test,
                margins=margins,
                progress=within,
                on_epoch=on_epoch,
            )
        else:
            made = [_run_alone(chosen[0], roots, within)]
        reports |= dict(zip(group, made, strict=True))
    if progress is not None:
        progress(len(groups), len(groups), "trained")
    return [reports[i] for i in range(len(scenarios))]


def batches(scenarios: Sequence[Scenario]) -> list[list[int]]:
    """Positions of the scenarios that are trained together, batch by batch.

    Examples
    --------
    >>> base = Scenario()
    >>> batches([base.with_method(name) for name in ("ce", "logreg", "gce")])
    [[0, 2], [1]]
    """
    shared: dict[tuple[Scenario, Any], dict[Scenario, list[int]]] = {}
    alone = []
    for i, scenario in enumerate(scenarios):
        if scenario.method in LOSSES:
            # The parameters of a loss are its own; the rest of the settings must agree. A batch
            # knows a loss by its name: one whose parameters were replaced trains by itself.
            parameters = scenario.probe.loss_parameters
            probe = dataclasses.replace(scenario.probe, loss_parameters=())
            key = dataclasses.replace(scenario.geometry(), seed=0, probe=probe)
            own = (scenario.method, parameters) if parameters else None
            shared.setdefault((key, own), {}).setdefault(scenario.labeling(), []).append(i)
        else:
            alone.append([i])
    made = []
    for tasks in shared.values():
        positions = list(tasks.values())
        for start in range(0, len(positions), _MOST_TASKS):
            made.append([i for task in positions[start : start + _MOST_TASKS] for i in task])
    return sorted(made + alone)


def _run_probes(scenarios: list[Scenario], roots: Roots, **options: Any) -> list[TrainedReport]:
    check_installed("training of probes", "torch")
    from wann_core.methods.probes.training import train

    first = scenarios[0]
    data = datasets.load(first.dataset, first.backbone, *roots)
    source = Source.of(data, first.normalization)
    labelings = list(dict.fromkeys(scenario.labeling() for scenario in scenarios))
    tasks = [make_data(labeling, source) for labeling in labelings]
    recipes = {}
    for scenario in scenarios:
        recipes[scenario.method] = recipe(scenario.method, parameters_of(scenario).values)
    made = train(tasks, recipes, first.probe, **options)
    labeling_of = {id(task): labeling for task, labeling in zip(tasks, labelings, strict=True)}
    fits = {(labeling_of[id(fit.data)], fit.loss): fit for fit in made}
    return [_answer(s, fits[s.labeling(), s.method]) for s in scenarios]


def _answer(scenario: Scenario, fit: Fit) -> TrainedReport:
    started = time.perf_counter()
    data = fit.data
    shares = Probe(fit.weight, fit.bias, data.mean, data.scale).predict_proba(data.X_test)
    predictions = shares.argmax(axis=1)
    return TrainedReport(
        scenario=scenario,
        prepared=data,
        predictions=predictions,
        confidence=shares.max(axis=1),
        metrics=Metrics.of(data.y_test, predictions, data.n_classes),
        seconds=fit.seconds + time.perf_counter() - started,
        fit=fit,
    )


def _run_alone(scenario: Scenario, roots: Roots, progress: Progress) -> TrainedReport:
    """Logistic regression, or a registered classifier."""
    prepared = prepare(scenario, roots, progress=progress)
    if prepared.leave_one_out:
        what = "logistic regression" if scenario.method in LOGISTIC else scenario.method
        raise WannError(
            f"{what} needs test rows, which data set {prepared.dataset.name!r} does not have.",
            "method",
        )
    n_classes = prepared.dataset.n_classes
    fit: LogisticFit | ClassifierFit
    if scenario.method in LOGISTIC:
        fit = fit_prepared(prepared, scenario.method, progress)
    else:
        fit = fit_classifier(
            scenario.method,
            prepared.X_train,
            prepared.labels,
            prepared.X_test,
            n_classes=n_classes,
            seed=scenario.seed,
            progress=progress,
        )
    return TrainedReport(
        scenario=scenario,
        prepared=prepared,
        predictions=fit.predictions,
        confidence=fit.confidence,
        metrics=Metrics.of(prepared.y_test, fit.predictions, n_classes),
        seconds=fit.seconds,
        fit=fit,
    )


def fit_prepared(
    prepared: PreparedData, method: str, progress: Progress | None = None
) -> LogisticFit:
    """Fit logistic regression to a scenario's noisy labels and predict its test rows.

    Parameters
    ----------
    prepared : PreparedData
    method : {'logreg', 'logreg_reliability', 'logreg_clean'}
        All rows alike; weighted by η, scaled to mean 1; or rows with adaptive k < k_max only.
    progress : callable, optional
        Called between fits; may raise to stop.

    Raises
    ------
    WannError
        If there are fewer than two classes.
    """
    X, y, weights = prepared.X_train, prepared.labels, None
    if method == "logreg_reliability":
        weights = prepared.reliability / prepared.reliability.mean()
    if method == "logreg_clean":
        kept = prepared.adaptive_k < prepared.k_bounds[1]
        X, y = X[kept], y[kept]
    return fit_logistic(X, y, prepared.X_test, weights, progress)


def fitted_last(report: TrainedReport) -> pd.DataFrame:
    """Training rows of a probe in the order of their loss, largest first.

    Parameters
    ----------
    report : TrainedReport
        Of a probe trained with `margins`.

    Returns
    -------
    DataFrame
        row (in the source's file), label, clean_label (where the true labels are known), margin
        (mean over the epochs, see `Fit.margins`), held_out (whether it only validated).
    """
    data, fit = report.prepared, report.fit
    assert isinstance(data, ProbeData) and isinstance(fit, Fit) and fit.margins is not None
    clean = {"clean_label": data.clean_labels} if data.truth_known else {}
    return pd.DataFrame(
        {
            "row": data.row_ids,
            "label": data.labels,
            **clean,
            "margin": fit.margins,
            "held_out": np.arange(len(data.labels)) >= len(data.train),
        }
    ).sort_values("margin", kind="stable", ignore_index=True)

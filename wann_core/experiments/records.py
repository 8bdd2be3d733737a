"""Results as rows; each carries its whole scenario, so that the number can be reproduced."""

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wann_core.datasets.dataset import Dataset, Judged
from wann_core.errors import WannError
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.scenario import Scenario
from wann_core.methods.metrics import METRICS, recall_by_frequency
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.probes.data import ProbeData
from wann_core.neighbors.graph import NeighborGraph

if TYPE_CHECKING:
    from wann_core.experiments.probe_runs import TrainedReport

# What a score is measured against.
TRUE_LABELS, GIVEN_LABELS = "true labels", "given labels"

_NUMBERS = frozenset(
    "train_rows test_rows realised_noise accuracy_low accuracy_high graph_recall graph_recall_rows "
    "graph_certified prepare_seconds vote_seconds train_seconds dimensions embedding_bytes "
    "reduce_seconds search_seconds adaptive_k_mean adaptive_k_right adaptive_k_wrong C fitted_rows "
    "val_accuracy best_epoch epochs".split()
).union(METRICS)
_TEXTS = frozenset(
    "method_name judged_by noise_note notes graph_method recall used_parameters parameter_family "
    "curve plugins log".split()
)
_LISTS = {"recall": list, "curve": list, "used_parameters": dict}  # as JSON
_MOST = 1e300


def scenario_record(scenario: Scenario) -> dict[str, Any]:
    """The scenario's fields as flat, printable values (a matrix and loss parameters as JSON).

    How a probe is trained is written for linear probes only.
    """
    record = {f.name: getattr(scenario, f.name) for f in dataclasses.fields(scenario)}
    probe = record.pop("probe")
    if scenario.method in LOSSES:
        record |= {f.name: getattr(probe, f.name) for f in dataclasses.fields(probe)}
        record["loss_parameters"] = json.dumps(dict(probe.loss_parameters))
    if scenario.transition_matrix is not None:
        record["transition_matrix"] = json.dumps(scenario.transition_matrix)
    return record


def scenario_of(record: Mapping[str, Any]) -> Scenario:
    """Read the scenario back from a record; further columns are ignored.

    Raises
    ------
    WannError
        If a value is missing or out of range.

    Examples
    --------
    >>> asked = Scenario(noise_pattern="sym", noise_ratio=0.2, method="ce")
    >>> scenario_of(scenario_record(asked)) == asked
    True
    """
    try:
        own = {f.name: record[f.name] for f in dataclasses.fields(Scenario) if f.name != "probe"}
        if own["transition_matrix"] is not None:
            own["transition_matrix"] = json.loads(own["transition_matrix"])
        probe = ProbeSettings()
        if own["method"] in LOSSES:
            trained = {f.name: record[f.name] for f in dataclasses.fields(ProbeSettings)}
            trained["loss_parameters"] = json.loads(trained["loss_parameters"])
            probe = ProbeSettings(**trained)
        return Scenario(**own, probe=probe)
    except WannError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WannError(f"the record of a run cannot be read: {error!r}.") from error


def check_record(record: Any) -> None:
    """Raise `WannError` unless a record that was kept holds values as `report_record` writes them.

    Columns that it does not know may hold any text or number. The scenario's are `scenario_of`'s.
    """
    if not isinstance(record, dict):
        raise WannError("the record of a run must be an object.")
    for name, value in record.items():
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = (
            number
            if name in _NUMBERS
            else isinstance(value, bool)
            if name == "converged"
            else isinstance(value, str)
            if name in _TEXTS
            else number or isinstance(value, bool | str) or name == "transition_matrix"
        )
        if not fits or (number and value == value and not -_MOST < value < _MOST):
            raise WannError(f"the record of a run has {str(value)[:60]!r} as `{name}`.", name)
        if isinstance(value, str):
            _check_text(name, value)


def _check_text(name: str, value: str) -> None:
    """Raise `WannError` unless a text of a record can be shown, and parsed where it is JSON."""
    try:
        value.encode()
        found: Any = json.loads(value) if name in _LISTS else None
        if name in ("curve", "recall"):
            np.asarray(found, np.float64).reshape(len(found), -1)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise WannError(f"the record of a run has a damaged `{name}`.", name) from error
    if name in _LISTS and not isinstance(found, _LISTS[name]):
        raise WannError(f"the record of a run has a damaged `{name}`.", name)


def report_record(report: "Report | TrainedReport") -> dict[str, Any]:
    """One row per run: scenario, realized noise, scores from 0 to 1, seconds.

    Votes add the space that they were cast in, and the mean adaptive k of the training rows: of
    all, of those with a right label, and of those with a wrong one. A trained method adds its own
    columns, see `TrainedReport.details`.
    """
    low, high = report.metrics.accuracy_interval
    n_classes = report.prepared.dataset.n_classes
    class_rows = np.bincount(report.prepared.clean_labels, minlength=n_classes)
    return {
        **scenario_record(report.scenario),
        "method_name": report.scenario.method_name,
        "train_rows": len(report.prepared.labels),
        "test_rows": report.metrics.n,
        "realised_noise": realized_noise(report.prepared),
        "judged_by": judged_by(report.prepared),
        "noise_note": report.prepared.noise_note,
        "accuracy": report.metrics.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": report.metrics.balanced_accuracy,
        "macro_f1": report.metrics.macro_f1,
        **recall_by_frequency(report.metrics.recall, class_rows),
        **(graph_record(report.prepared.graph) if isinstance(report, Report) else {}),
        "notes": " ".join(report.prepared.notes),
        "prepare_seconds": report.prepared.seconds,
        "vote_seconds": report.seconds,
        **(_space(report.prepared) if isinstance(report, Report) else report.details),
        **_plugins(report.scenario),
    }


def _plugins(scenario: Scenario) -> dict[str, str]:
    """Registered plug-ins that ran, with the first digits of their digests."""
    used = {name: digest[:16] for name, digest in scenario.plugins.items()}
    return {"plugins": json.dumps(used)} if used else {}


def realized_noise(prepared: PreparedData | ProbeData) -> float | None:
    """Share of wrong training labels; None where the true labels are unknown."""
    return prepared.noise_ratio if prepared.truth_known else None


def judged_by(prepared: Judged | Dataset) -> str:
    """Reference of the accuracy: true labels, or given ones that may be wrong."""
    return TRUE_LABELS if prepared.test_truth_known else GIVEN_LABELS


def graph_record(graph: NeighborGraph) -> dict[str, Any]:
    """Method of the neighbor search and its measured recall (1 for exact search)."""
    return {
        "graph_method": graph.method,
        "graph_recall": graph.recall,
        "graph_recall_rows": graph.recall_rows,
        "graph_certified": graph.certified,
    }


def _space(prepared: PreparedData) -> dict[str, Any]:
    """Dimensions of the search, time of the reduction, and the resulting k.

    Bytes are those of the training embeddings as float32; seconds are those of the reduction and
    of the search when they were made, whether or not this run could share them.
    """
    k, wrong = prepared.adaptive_k, prepared.labels != prepared.clean_labels
    by_truth = {"adaptive_k_right": _mean(k[~wrong]), "adaptive_k_wrong": _mean(k[wrong])}
    return {
        "dimensions": prepared.X_train.shape[1],
        "embedding_bytes": prepared.X_train.nbytes,
        "reduce_seconds": prepared.reduce_seconds,
        "search_seconds": prepared.graph.seconds,
        "adaptive_k_mean": float(k.mean()),
        **(by_truth if prepared.truth_known else {}),
    }


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def predictions(report: "Report | TrainedReport") -> pd.DataFrame:
    """index, label, prediction, confidence of every test row; see the report's own."""
    return pd.DataFrame(
        {
            "index": report.prepared.test_ids,
            "label": report.prepared.y_test,
            "prediction": report.predictions,
            "confidence": report.confidence,
        }
    )


def training_rows(prepared: PreparedData) -> pd.DataFrame:
    """row, label, clean_label, adaptive_k, reliability of every training row, in its order.

    There is no clean_label where the true labels are not known.
    """
    clean = {"clean_label": prepared.clean_labels} if prepared.truth_known else {}
    return pd.DataFrame(
        {
            "row": prepared.row_ids,
            "label": prepared.labels,
            **clean,
            "adaptive_k": prepared.adaptive_k,
            "reliability": prepared.reliability,
        }
    )


def class_counts(prepared: PreparedData) -> pd.DataFrame:
    """class_id, class_name, and the training rows of each class by true and by given label.

    There is no rows_clean where the true labels are not known.
    """
    n_classes = prepared.dataset.n_classes
    counts = {}
    if prepared.truth_known:
        counts["rows_clean"] = np.bincount(prepared.clean_labels, minlength=n_classes)
    return pd.DataFrame(
        {
            "class_id": np.arange(n_classes),
            "class_name": prepared.dataset.class_names,
            **counts,
            "rows_given": np.bincount(prepared.labels, minlength=n_classes),
        }
    )


def transitions(prepared: PreparedData) -> pd.DataFrame:
    """clean_class, given_class and the realized share of every class pair."""
    names = prepared.dataset.class_names
    return pd.DataFrame(
        {
            "clean_class": np.repeat(names, len(names)),
            "given_class": np.tile(names, len(names)),
            "share": prepared.transition_matrix.ravel(),
        }
    )


def with_scenario(frame: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """The frame with the scenario's fields as further columns (its own columns win)."""
    record = {k: v for k, v in scenario_record(scenario).items() if k not in frame.columns}
    return frame.assign(**record)

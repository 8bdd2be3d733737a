"""What came of training: curves, scores beside the votes of neighbors, rows fitted last."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.charts.short_names import apart
from ui.jobs.plan import Plan
from ui.measure import probe_charts
from ui.pictures import thumbnails
from ui.shell import theme, truth
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.records import report_record
from wann_core.methods.probes import LOSSES

_LAST = 16
_EPOCH = ["train_loss", "val_accuracy", "test_accuracy"]
_COLUMNS = {
    "accuracy": "accuracy, %",
    "balanced_accuracy": "balanced accuracy, %",
    "macro_f1": "macro-F1, %",
}


@dataclass
class Outcome:
    """What a training job has so far: the worker writes, the page reads.

    The worker puts a new dictionary in the place of an old one, so that no page meets one that
    changes while it is read.

    Attributes
    ----------
    records : dict of str to dict
        By method, of what has ended.
    epochs : list of Epoch
    last : dict of str to DataFrame
        By loss: the training rows, those first that it fits last.
    """

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    epochs: list[Any] = field(default_factory=list)
    last: dict[str, pd.DataFrame] = field(default_factory=dict)


def show_training(plan: Plan, outcome: Outcome, prepared: PreparedData) -> None:
    """Curves of what trains, or has trained."""
    known = prepared.test_truth_known
    epochs = _epochs(outcome)
    if epochs.empty:
        return
    measure = st.segmented_control(
        "Along the epochs",
        list(probe_charts.MEASURES),
        default="test_accuracy",
        format_func=lambda name: probe_charts.measure_name(name, known),
        key="measure",
        required=True,
        persist_state="session",
    )
    best = {
        name: record["best_epoch"]
        for name, record in outcome.records.items()
        if "best_epoch" in record
    }
    figure = probe_charts.training(epochs.dropna(subset=measure), measure, best, known)
    charts.show(
        figure,
        "One line a loss; the large mark is the epoch that was kept, the best on the noisy "
        f"validation labels. {probe_charts.measure_name('test_accuracy', known)} is only watched, "
        "nothing is chosen by it.",
        "training",
        epochs.rename(columns={"loss": "method_name"}),
        plan.base,
    )


def _epochs(outcome: Outcome) -> pd.DataFrame:
    """Epochs as they come in, and those that the results store has kept."""
    live = pd.DataFrame(list(outcome.epochs), columns=["loss", "seed", "epoch", *_EPOCH])
    parts = [live[["loss", "epoch", *_EPOCH]]]
    for name, record in outcome.records.items():
        if "curve" in record and not (live["loss"] == name).any():
            curve = pd.DataFrame(json.loads(record["curve"]))
            curve = curve.set_axis(_EPOCH[: curve.shape[1]], axis=1).reindex(columns=_EPOCH)
            parts.append(curve.assign(loss=name, epoch=np.arange(1, len(curve) + 1)))
    return pd.concat([part for part in parts if len(part)]) if any(map(len, parts)) else live


def show_results(
    plan: Plan, outcome: Outcome, votes: Sequence[Report], prepared: PreparedData
) -> None:
    """Table, chart and recalls of the trained methods beside the votes of neighbors."""
    trained = [outcome.records[name] for name in plan.methods if name in outcome.records]
    records = [*map(report_record, votes), *trained]
    table = pd.DataFrame(records)
    seconds = table.get("train_seconds", pd.Series(np.nan, table.index))
    shown = pd.DataFrame(
        {
            "method": table["method_name"],
            **{title: 100 * table[column] for column, title in _COLUMNS.items()},
            "training, s": seconds.fillna(0.0),
            "epochs": _text(table, "epochs", ".0f"),
            **_marks(table),
            "C": _text(table, "C", "g"),
        }
    )
    intervals = [
        f"{100 * low:.1f} to {100 * high:.1f}"
        for low, high in zip(table["accuracy_low"], table["accuracy_high"], strict=True)
    ]
    shown.insert(2, "95 % interval", intervals)
    st.header("All methods on these rows")
    formats: dict[Any, Any] = dict.fromkeys([*_COLUMNS.values(), "training, s"], "{:.2f}")
    styled = shown.style.format(formats).apply(_bold_best, subset=list(_COLUMNS.values()))
    aligned = st.column_config.TextColumn(alignment="right")
    columns = {
        "method": st.column_config.TextColumn(width=140, pinned=True),
        **dict.fromkeys(("95 % interval", "epochs", "C"), aligned),
    }
    st.dataframe(
        styled,
        column_config=columns,
        hide_index=True,
        width="stretch",
        height=38 + 35 * len(shown),
    )
    st.caption(
        "The best of each score is bold; intervals are Wilson's, of this test set alone. "
        "Training of a vote: none but the search of neighbors, which all pages share. Time of "
        f"a probe: its share of training all of them together.{_origin(trained)}"
    )
    warn_of_unconverged(table)
    charts.download("probes", table, plan.base, "All scores, CSV")
    # One below the other in a narrow window, by the style sheet.
    left, right = st.container(key="stacking_scores").columns([2, 3], gap="large")
    with left:
        st.header(truth.score(prepared))
        charts.show(
            charts.accuracies(table, "share of the test rows, %"),
            "Mark: share of the test labels that a method finds. Bar: 95 % Wilson interval.",
            "probe-accuracy",
            table,
            plan.base,
        )
    with right:
        _show_recalls(plan, records, votes, prepared)


def _marks(table: pd.DataFrame) -> dict[str, list[str]]:
    """A column that marks runs which ended where they began, if there are some."""
    marks = ["not converged" if one is False else "" for one in _converged(table)]
    return {"training": marks} if any(marks) else {}


def _converged(table: pd.DataFrame) -> list[Any]:
    return table["converged"].tolist() if "converged" in table else [None] * len(table)


def warn_of_unconverged(table: pd.DataFrame) -> None:
    """Say which runs ended where they began."""
    failed = [one is False for one in _converged(table)]
    if not any(failed):
        return
    names = ", ".join(dict.fromkeys(table.loc[failed, "method_name"]))
    st.warning(
        f"Not converged: {sum(failed):,} runs of {names}. On the validation labels they are no "
        "better than guessing, so their scores mean nothing. Train them longer or at a "
        "higher rate.",
        icon=":material/hourglass_disabled:",
    )


def _text(table: pd.DataFrame, column: str, form: str) -> list[str]:
    """A column that not every method has."""
    values = table[column] if column in table else pd.Series(np.nan, table.index)
    return ["" if pd.isna(value) else f"{value:{form}}" for value in values]


def _bold_best(column: "pd.Series[float]") -> list[str]:
    return ["font-weight: bold" if value == column.max() else "" for value in column]


def _origin(trained: Sequence[dict[str, Any]]) -> str:
    stored = sum("stored_at" in record for record in trained)
    if not stored:
        return ""
    return f" From the results store: {stored} of {len(trained)} trained methods."


def _show_recalls(
    plan: Plan, records: Sequence[dict[str, Any]], votes: Sequence[Report], prepared: PreparedData
) -> None:
    st.header("Recall by class")
    rows = [report.metrics.recall for report in votes]
    rows += [
        np.array(json.loads(record["recall"]), np.float64)
        for record in records
        if "recall" in record
    ]
    names, methods = prepared.dataset.class_names, [record["method_name"] for record in records]
    recall = np.stack(rows)
    table = pd.DataFrame(recall, index=pd.Index(methods, name="method_name"), columns=list(names))
    charts.show(
        probe_charts.recalls(names, methods, recall),
        "Share of each class's test rows that a method finds, in percent.",
        "recall",
        table.reset_index(),
        plan.base,
    )


def show_fitted_last(outcome: Outcome, prepared: PreparedData, plan: Plan) -> None:
    """Training rows whose labels a loss fits late or never: a second opinion on wrong labels."""
    probes = [name for name in plan.methods if name in LOSSES]
    if not probes:
        return
    st.header("Rows that a loss fits last")
    if not outcome.last:
        st.info(
            "The results store does not keep these rows. Press “Train again” to see them.",
            icon=":material/replay:",
        )
        return
    loss = st.segmented_control(
        "Loss",
        list(outcome.last),
        default=next(iter(outcome.last)),
        key="last_loss",
        required=True,
        persist_state="session",
    )
    if loss not in outcome.last:
        loss = next(iter(outcome.last))
    table = outcome.last[loss]
    data, names = prepared.dataset, prepared.dataset.class_names
    position = {int(row): i for i, row in enumerate(data.train.ids)}
    some = table[table["row"].isin(position)].head(_LAST)
    short = apart(names)
    thumbnails.grid(
        [thumbnails.of_sample(data, "train", position[int(row)]) for row in some["row"]],
        [
            short[names[given]]
            if given == true
            else f"{short[names[given]]} (true: {short[names[true]]})"
            for given, true in zip(
                some["label"], some.get("clean_label", some["label"]), strict=True
            )
        ],
    )
    thumbnails.explain(data)
    text = (
        "The lowest margins, averaged over the epochs: the logit of the given label minus the "
        "highest other one."
    )
    if "clean_label" in table:
        wrong = float((table["label"] != table["clean_label"]).head(len(table) // 20 or 1).mean())
        text += (
            f" Of the lowest 5 % of all rows, {theme.percent(wrong)} have a label that is known to "
            "be wrong."
        )
    st.caption(text)
    charts.download(f"fitted-last-{loss}", table, plan.base.with_method(loss), "All rows, CSV")

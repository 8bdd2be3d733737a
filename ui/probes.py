"""The parts of the Probes page: what to train, its job, and what came of it."""

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui import charts, jobs, look, probe_charts, thumbnails
from ui.controls import linked
from ui.settings import Settings
from wann_core import datasets, export
from wann_core.prepared import Prepared, Report
from wann_core.probing import LOGISTIC, LOSSES, ProbeSettings, family_of, loss_parameters
from wann_core.results import use_store
from wann_core.scenario import Scenario

_LOG = logging.getLogger(__name__)
_AT_FIRST = ("ce", "gce", "elr", "anl_ce", "logreg", "logreg_reliability")
_LAST = 16
# Steps an epoch × learning rate, about how far Adam moves a weight; the published protocol has 0.03
# on CIFAR-10, and below a tenth of that probes were seen to end near chance.
_LEAST_WAY = 0.003
_COLUMNS = {
    "accuracy": "accuracy, %",
    "balanced_accuracy": "balanced accuracy, %",
    "macro_f1": "macro-F1, %",
}


@dataclass(frozen=True)
class Plan:
    """What is to be trained; hashable, so that it names its job.

    Attributes
    ----------
    base : Scenario
    methods : tuple of str
    """

    base: Scenario
    methods: tuple[str, ...]

    def scenarios(self) -> list[Scenario]:
        """One a method."""
        return [self.base.with_method(name) for name in self.methods]


@dataclass
class Outcome:
    """What a training job has so far: the worker writes, the page reads.

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


def controls(settings: Settings) -> Plan | None:
    """Draw the page's own settings; None, and a hint, where nothing is chosen."""
    losses = linked(
        st.pills, "Linear probes, by loss", key="losses", options=LOSSES,
        default=[name for name in LOSSES if name in _AT_FIRST], selection_mode="multi",
        help="One linear layer each, trained together. What their letters mean stands below.",
    )  # fmt: skip
    logistic = linked(
        st.pills, "Logistic regression", key="logistic", options=LOGISTIC,
        default=[name for name in LOGISTIC if name in _AT_FIRST], selection_mode="multi",
        help="To convergence, C by cross-validation on the noisy labels; with rows weighted by "
        "their reliability; or only on rows that a neighbourhood explains.",
    )  # fmt: skip
    with st.expander("Training and losses"):
        probe = _hyper_parameters()
        _parameters(settings.scenario.dataset, [name for name in LOSSES if name in losses])
    methods = tuple(name for name in (*LOSSES, *LOGISTIC) if name in {*losses, *logistic})
    if not methods:
        st.info("Choose at least one loss or logistic regression.", icon=":material/tune:")
        return None
    return Plan(dataclasses.replace(settings.scenario, probe=probe), methods)


def _hyper_parameters() -> ProbeSettings:
    default = ProbeSettings()
    rate, epochs, batch, patience, decay = st.columns(5)
    return ProbeSettings(
        learning_rate=linked(
            rate.select_slider, "Learning rate", key="rate", value=default.learning_rate,
            options=(1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), format_func=lambda v: f"{v:g}",
        ),
        num_epochs=linked(
            epochs.number_input, "Epochs at most", key="epochs", min_value=1, max_value=1000,
            value=default.num_epochs,
        ),
        batch_size=linked(
            batch.number_input, "Batch size (rows)", key="batch", min_value=1, max_value=65536,
            value=default.batch_size,
        ),
        patience=linked(
            patience.number_input, "Patience (epochs)", key="patience", min_value=1, max_value=1000,
            value=default.patience,
            help="Training ends after so many epochs without a better noisy validation accuracy.",
        ),
        weight_decay=linked(
            decay.number_input, "Weight decay", key="decay", min_value=0.0, max_value=1.0,
            value=default.weight_decay, step=1e-4, format="%.4f",
        ),
    )  # fmt: skip


def _parameters(dataset: str, losses: Sequence[str]) -> None:
    """The parameters of each loss, and whose they are."""
    family = family_of(dataset)
    rows = []
    for name in losses:
        used = loss_parameters(name, family)
        values = ", ".join(f"{key} = {value:g}" for key, value in used.values.items())
        rows.append({"loss": name, "parameters": values or "none", "published for": used.family})
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
        st.caption(
            "Published parameters by family of data sets; where none are published those of "
            "CIFAR-10 are used."
        )


def key(plan: Plan, settings: Settings) -> tuple[Any, ...]:
    """The job's key."""
    base = plan.base
    files = datasets.fingerprint(base.dataset, base.backbone, **settings.roots)
    return "probes", dataclasses.replace(plan, base=base.with_method("WANN")), files


def start(plan: Plan, settings: Settings, fresh: bool = False) -> None:
    """Start the plan's job; with `fresh` also what the results store knows is trained again."""
    roots = settings.roots

    def work(job: jobs.Job) -> None:
        # Imported here: torch takes seconds.
        from wann_core.probing.runs import fitted_last, run_trained

        outcome = Outcome()
        job.partial.append(outcome)
        asked = plan.scenarios()
        stored = {}
        if not fresh:
            stored = use_store(lambda kept: kept.find(asked, **roots), _LOG.warning) or {}
        for scenario, record in stored.items():
            outcome.records[scenario.method] = record
        job.progress(0, 1, "reading the data")
        for scenarios in _portions([s for s in asked if s not in stored]):
            reports = run_trained(
                scenarios, **roots, watch_test=True, margins=True, progress=job.progress,
                on_epoch=outcome.epochs.extend,
            )  # fmt: skip
            runs = [(report.scenario, export.report_record(report)) for report in reports]
            outcome.records |= {scenario.method: record for scenario, record in runs}
            for report in reports:
                if report.scenario.method in LOSSES:
                    outcome.last[report.scenario.method] = fitted_last(report)
            use_store(
                lambda kept, runs=runs: kept.add(runs, source="probes", **roots), _LOG.warning
            )

    jobs.registry().restart(key(plan, settings), work)


def _portions(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """All probes at once, then each logistic regression: what has ended is shown."""
    probes = [s for s in scenarios if s.method in LOSSES]
    return [part for part in (probes, *([s] for s in scenarios if s.method in LOGISTIC)) if part]


def show_training(outcome: Outcome) -> None:
    """Curves of what trains, or has trained."""
    epochs = _epochs(outcome)
    if epochs.empty:
        return
    measure = st.segmented_control(
        "Along the epochs", list(probe_charts.MEASURES), default="test_accuracy",
        format_func=probe_charts.MEASURES.__getitem__, key="measure", required=True,
        persist_state="session",
    )  # fmt: skip
    best = {
        name: record["best_epoch"]
        for name, record in outcome.records.items()
        if "best_epoch" in record
    }
    figure = probe_charts.training(epochs.dropna(subset=measure), measure, best)
    st.plotly_chart(figure, key="chart_training", config={"displaylogo": False})
    st.caption(
        "One line a loss; the large mark is the epoch that was kept, the best on the noisy "
        "validation labels. The clean test accuracy is only watched, nothing is chosen by it."
    )


def _epochs(outcome: Outcome) -> pd.DataFrame:
    """Epochs as they come in, and those that the results store has kept."""
    live = pd.DataFrame(outcome.epochs, columns=["loss", "seed", "epoch", *_EPOCH])
    parts = [live[["loss", "epoch", *_EPOCH]]]
    for name, record in outcome.records.items():
        if "curve" in record and not (live["loss"] == name).any():
            curve = pd.DataFrame(json.loads(record["curve"]))
            curve = curve.set_axis(_EPOCH[: curve.shape[1]], axis=1).reindex(columns=_EPOCH)
            parts.append(curve.assign(loss=name, epoch=np.arange(1, len(curve) + 1)))
    return pd.concat([part for part in parts if len(part)]) if any(map(len, parts)) else live


_EPOCH = ["train_loss", "val_accuracy", "test_accuracy"]


def show_results(plan: Plan, outcome: Outcome, votes: Sequence[Report], prepared: Prepared) -> None:
    """Table, chart and recalls of the trained methods beside the votes of neighbours."""
    trained = [outcome.records[name] for name in plan.methods if name in outcome.records]
    records = [*map(export.report_record, votes), *trained]
    table = pd.DataFrame(records)
    seconds = table.get("train_seconds", pd.Series(np.nan, table.index))
    shown = pd.DataFrame(
        {
            "method": table["method_name"],
            **{title: 100 * table[column] for column, title in _COLUMNS.items()},
            "95 % interval": [
                f"{100 * low:.1f} to {100 * high:.1f}"
                for low, high in zip(table["accuracy_low"], table["accuracy_high"], strict=True)
            ],
            "training, s": seconds.fillna(0.0),
            "epochs": table.get("epochs"),
            "C": table.get("C"),
        }
    ).dropna(axis=1, how="all")
    st.subheader("All methods on these rows")
    formats = {title: "{:.2f}" for title in _COLUMNS.values()}
    styled = shown.style.format(
        formats | {"training, s": "{:.1f}", "epochs": "{:.0f}", "C": "{:g}"}, na_rep=""
    ).apply(_bold_best, subset=list(_COLUMNS.values()))
    st.dataframe(styled, hide_index=True, width="stretch", height=38 + 35 * len(shown))
    st.caption(
        "The best of each score is bold; intervals are Wilson's, of this test set alone. "
        "Training of a vote: none but the search of neighbours, which all pages share. Time of "
        f"a probe: its share of training all of them together.{_origin(trained)}"
    )
    charts.download("probes", table, plan.base, "All scores, CSV")
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.subheader("Accuracy")
        charts.show(
            charts.accuracies(table),
            "Mark: share of the test labels that a method finds. Bar: 95 % Wilson interval.",
            "probe-accuracy", table, plan.base,
        )  # fmt: skip
    with right:
        _show_recalls(plan, records, votes, prepared)


def warn_of_few_steps(plan: Plan, prepared: Prepared) -> None:
    """The published settings were made for large data sets; say where they leave probes untrained."""
    if not any(name in LOSSES for name in plan.methods):
        return
    probe = plan.base.probe
    steps = len(prepared.labels) // probe.batch_size
    if steps * probe.learning_rate < _LEAST_WAY:
        st.warning(
            f"An epoch is only about {steps:,} steps here. At this learning rate probes may stop "
            "before they have learned: the noisy validation accuracy does not rise fast enough. "
            "Raise the learning rate or the patience under “Training and losses” for a fair "
            "comparison.",
            icon=":material/info:",
        )


def _bold_best(column: "pd.Series[float]") -> list[str]:
    return ["font-weight: bold" if value == column.max() else "" for value in column]


def _origin(trained: Sequence[dict[str, Any]]) -> str:
    stored = sum("stored_at" in record for record in trained)
    return (
        f" {stored} of {len(trained)} trained methods came from the results store."
        if stored
        else ""
    )


def _show_recalls(
    plan: Plan, records: Sequence[dict[str, Any]], votes: Sequence[Report], prepared: Prepared
) -> None:
    st.subheader("Recall by class")
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
        "recall", table.reset_index(), plan.base,
    )  # fmt: skip


def show_fitted_last(outcome: Outcome, prepared: Prepared, plan: Plan) -> None:
    """Training rows whose labels a loss fits late or never: a second opinion on wrong labels."""
    probes = [name for name in plan.methods if name in LOSSES]
    if not probes:
        return
    st.subheader("Rows that a loss fits last")
    if not outcome.last:
        st.info(
            "These rows are kept while the app runs, not in the results store. Press “Train again” "
            "to see them.",
            icon=":material/replay:",
        )
        return
    loss = st.segmented_control(
        "Loss", list(outcome.last), default=next(iter(outcome.last)), key="last_loss", required=True
    )
    table = outcome.last[loss] if loss in outcome.last else next(iter(outcome.last.values()))
    data, names = prepared.dataset, prepared.dataset.class_names
    position = {int(row): i for i, row in enumerate(data.train.ids)}
    some = table[table["row"].isin(position)].head(_LAST)
    thumbnails.grid(
        [thumbnails.of_sample(data, "train", position[int(row)]) for row in some["row"]],
        [
            names[given] if given == true else f"{names[given]} (true: {names[true]})"
            for given, true in zip(some["label"], some["clean_label"], strict=True)
        ],
    )
    wrong = float((table["label"] != table["clean_label"]).head(len(table) // 20 or 1).mean())
    st.caption(
        "The lowest margins, averaged over the epochs: the logit of the given label minus the "
        f"highest other one. Of the lowest 5 % of all rows, {look.percent(wrong)} have a label "
        "that is known to be wrong."
    )
    charts.download(f"fitted-last-{loss}", table, plan.base, "All rows, CSV")

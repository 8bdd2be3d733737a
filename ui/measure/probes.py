"""The Probes page: what to train, and its job."""

import dataclasses
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from ui.jobs import engine, jobs
from ui.jobs.plan import Plan
from ui.measure.probe_results import Outcome
from ui.shell.controls import linked
from ui.shell.sentences import counted
from ui.shell.settings import Settings
from wann_core.experiments import records
from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.store import ResultsStore, use_store
from wann_core.methods.probes import LOSSES, ProbeSettings, family_of, loss_parameters
from wann_core.methods.probes.losses.registry import ALL_LOSSES
from wann_core.methods.registry import ALL_METHODS, CLASSIFIERS, LOGISTIC, TRAINED

_LOG = logging.getLogger(__name__)
# Steps an epoch × learning rate, about how far Adam moves a weight; the published protocol has 0.03
# on CIFAR-10, and below a tenth of that probes were seen to end near chance.
_LEAST_WAY = 0.003
_WAYS = {"rows": "Suited to the rows", "published": "As published", "own": "Choose"}
_OWN = ("rate", "epochs", "batch", "patience", "decay")


def controls(settings: Settings) -> Plan | None:
    """Draw the page's own settings; None, and a hint, where nothing is chosen."""
    losses = linked(
        st.pills,
        "Linear probes, by loss",
        key="losses",
        options=list(LOSSES),
        default=[name for name, loss in ALL_LOSSES.items() if loss.chosen],
        selection_mode="multi",
        help="One linear layer each, trained together. “Training and losses” spells out "
        "the chosen ones.",
    )
    logistic = linked(
        st.pills,
        "Logistic regression",
        key="logistic",
        options=list(LOGISTIC),
        default=[name for name in LOGISTIC if ALL_METHODS[name].chosen],
        selection_mode="multi",
        help="To convergence, C by cross-validation on the noisy labels; with rows weighted by "
        "their reliability; or only on rows that a neighborhood explains.",
    )
    classifiers = linked(
        st.pills,
        "Other classifiers",
        key="classifiers",
        options=list(CLASSIFIERS),
        format_func=lambda name: ALL_METHODS[name].title,
        selection_mode="multi",
        help="Two that learn from an audit of the training rows, and those of plug-ins; each is "
        "fitted to the same embeddings and noisy labels.",
    )
    with st.expander("Training and losses"):
        probe = training(settings, disabled=not losses)
        _parameters(settings.scenario.dataset, [name for name in LOSSES if name in losses])
    methods = tuple(name for name in TRAINED if name in {*losses, *logistic, *classifiers})
    if not methods:
        st.info("Choose at least one loss or logistic regression.", icon=":material/tune:")
        return None
    return Plan(dataclasses.replace(settings.scenario, probe=probe), methods)


def training(settings: Settings, disabled: bool = False) -> ProbeSettings:
    """How linear probes are trained; logistic regression has no such settings."""
    # A link that sets one of these means it, even without its switch.
    # (The rate may be in the session for another page's sake.)
    own = any(key in st.query_params for key in _OWN) or any(
        key in st.session_state for key in _OWN if key != "rate"
    )
    way = linked(
        st.segmented_control,
        "Training of linear probes",
        key="training",
        options=list(_WAYS),
        default="own" if own else "rows",
        format_func=_WAYS.__getitem__,
        required=True,
        disabled=disabled,
        help="Suited to the rows: fewer rows make fewer steps an epoch, so the rate and the "
        "patience grow. As published: the same epochs for all data sets, under which probes of "
        "few rows hardly leave their first weights.",
    )
    if way == "own":
        return _hyper_parameters(disabled)
    if way == "published":
        chosen = ProbeSettings()
    else:
        train = engine.dataset(settings).train
        chosen = ProbeSettings.suited_to(settings.scenario.num_subsamples or len(train))
    st.caption(
        f"Learning rate {chosen.learning_rate:g}, at most {chosen.num_epochs} epochs of batches of "
        f"{chosen.batch_size} rows, patience {chosen.patience} epochs."
    )
    return chosen


def learning_rate(
    place: Any, disabled: bool = False, value: float = ProbeSettings().learning_rate
) -> float:
    """The control of the probes' learning rate, one for all pages."""
    rate: float = linked(
        place.select_slider,
        "Learning rate of probes",
        key="rate",
        disabled=disabled,
        options=(1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        value=value,
        format_func=lambda rate: f"{rate:g}",
        help="The published 0.0001 is made for tens of thousands of rows; probes of a few thousand "
        "hardly learn under it.",
    )
    return rate


def _hyper_parameters(disabled: bool) -> ProbeSettings:
    """How linear probes are trained; logistic regression has no such settings."""
    default = ProbeSettings()
    place = st.container(key="stacking_training")
    rate, epochs, batch, patience, decay = place.columns([2, 1, 1, 1, 1])
    return ProbeSettings(
        learning_rate=learning_rate(rate, disabled),
        num_epochs=linked(
            epochs.number_input,
            "Epochs at most",
            key="epochs",
            min_value=1,
            max_value=1000,
            value=default.num_epochs,
            disabled=disabled,
        ),
        batch_size=linked(
            batch.number_input,
            "Batch size (rows)",
            key="batch",
            min_value=1,
            max_value=65536,
            value=default.batch_size,
            disabled=disabled,
        ),
        patience=linked(
            patience.number_input,
            "Patience (epochs)",
            key="patience",
            min_value=1,
            max_value=1000,
            value=default.patience,
            disabled=disabled,
            help="Training ends after this many epochs without a better noisy validation accuracy.",
        ),
        weight_decay=linked(
            decay.number_input,
            "Weight decay",
            key="decay",
            min_value=0.0,
            max_value=1.0,
            value=default.weight_decay,
            step=1e-4,
            format="%.4f",
            disabled=disabled,
        ),
    )


def _parameters(dataset: str, losses: Sequence[str]) -> None:
    """The parameters of each loss, and whose they are."""
    family = family_of(dataset)
    rows = []
    for name in losses:
        entry, used = ALL_LOSSES[name], loss_parameters(name, family)
        values = ", ".join(f"{key} = {value:g}" for key, value in used.values.items())
        rows.append(
            {
                "loss": name,
                "name": entry.title,
                "published in": entry.reference,
                "parameters": values or "none",
                "parameters of": (used.family or entry.origin) if values else "",
            }
        )
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
        st.caption(
            "Published parameters by family of data sets; where none are published those of "
            "CIFAR-10 are used."
        )


def key(plan: Plan, settings: Settings) -> tuple[Any, ...]:
    """The job's key: what these methods know of, so that the k of kNN leaves a job where it is."""
    runs = tuple(scenario.canonical() for scenario in plan.scenarios())
    return "probes", runs, settings.fingerprint


def stored(plan: Plan, settings: Settings) -> dict[Scenario, dict[str, Any]]:
    """What the results store has of a plan."""
    asked, roots = plan.scenarios(), settings.roots
    return use_store(lambda kept: kept.find(asked, roots), _LOG.warning) or {}


def outcome(plan: Plan, settings: Settings, job: jobs.Job | None) -> Outcome:
    """What is there to show: the job's, or where none has begun, what the results store has."""
    if job is not None:
        made: Outcome = job.about
        return made
    found = stored(plan, settings)
    return Outcome({scenario.method: record for scenario, record in found.items()})


def find(plan: Plan, settings: Settings) -> jobs.Job | None:
    """The plan's job, if it was started."""
    return jobs.registry().find(key(plan, settings))


def show_plan(plan: Plan, settings: Settings, job: jobs.Job | None, ended: int) -> None:
    """Show what the button would train, and what is trained elsewhere."""
    methods = counted(len(plan.methods), "method")
    if job is None and not ended:
        st.info(f"Press Train to fit {methods} to these labels.", icon=":material/model_training:")
    elif job is None and ended < len(plan.methods):
        st.info(
            f"{ended} of {methods} were trained before.",
            icon=":material/model_training:",
        )
    elif job is not None and job.state is jobs.State.CANCELED:
        st.warning(
            f"Canceled after {ended} of {methods}.",
            icon=":material/cancel:",
        )
    if any(
        other != key(plan, settings) and one.state is jobs.State.RUNNING
        for other, one in jobs.registry().of_kind("probes")
    ):
        st.caption("Training under other settings goes on; choose them again to see it.")


def start(plan: Plan, settings: Settings, fresh: bool = False) -> None:
    """Start the plan's job; with `fresh` also what the results store knows is trained again."""
    roots = settings.roots
    before = find(plan, settings)
    # The results store does not keep these rows; a training that was canceled may have them.
    made = Outcome(last={} if fresh or before is None else dict(before.about.last))

    def work(job: jobs.Job) -> None:
        job.progress(0, 1, "getting ready")
        # Imported here: torch takes seconds.
        from wann_core.experiments.probe_runs import fitted_last, run_trained

        known = {} if fresh else stored(plan, settings)
        made.records = {scenario.method: record for scenario, record in known.items()}
        job.progress(0, 1, "reading the data")
        for scenarios in _portions([s for s in plan.scenarios() if s not in known]):
            reports = run_trained(
                scenarios,
                roots,
                watch_test=True,
                margins=True,
                progress=job.progress,
                on_epoch=made.epochs.extend,
            )
            runs = [(report.scenario, records.report_record(report)) for report in reports]
            made.last = made.last | {
                report.scenario.method: fitted_last(report)
                for report in reports
                if report.scenario.method in LOSSES
            }
            made.records = made.records | {scenario.method: record for scenario, record in runs}
            keep = partial(ResultsStore.add, runs=runs, roots=roots, source="probes")
            use_store(keep, _LOG.warning)

    title = f"Training probes on {plan.base.dataset}"
    jobs.registry().restart(key(plan, settings), work, made, title)


def _portions(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """All probes at once, then each logistic regression: what has ended is shown."""
    probes = [s for s in scenarios if s.method in LOSSES]
    alone = [[s] for s in scenarios if s.method not in LOSSES]
    return [part for part in (probes, *alone) if part]


def warn_of_few_steps(plan: Plan, prepared: PreparedData) -> None:
    """Say where settings that were made for large data sets leave probes untrained."""
    if not any(name in LOSSES for name in plan.methods):
        return
    probe = plan.base.probe
    steps = len(prepared.labels) // probe.batch_size
    if steps * probe.learning_rate < _LEAST_WAY:
        st.warning(
            f"An epoch is only about {steps:,} steps here. At this learning rate probes may stop "
            "before they have learned: the noisy validation accuracy does not rise fast enough. "
            "Choose “Suited to the rows” under “Training and losses” for a fair comparison.",
            icon=":material/info:",
        )

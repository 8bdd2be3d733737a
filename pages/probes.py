"""Linear probes under robust losses and logistic regression, beside the votes of neighbors."""

from functools import partial

import streamlit as st

from ui.jobs import engine, jobs, panel, runs
from ui.jobs.plan import Plan
from ui.measure import probe_results, probes
from ui.shell import header, settings, truth

header.show(
    "Probes", "What a trained linear layer makes of the same noisy labels, beside WANN.", "methods"
)
chosen = settings.sidebar()
plan = probes.controls(chosen)
if plan is None:
    st.stop()

prepared = engine.prepared(chosen)
chosen.show_realized(prepared)
truth.explain_scores(prepared.dataset)
if prepared.leave_one_out:
    st.info(
        "This data set has no test rows, which probes need: import or embed it with a split.",
        icon=":material/call_split:",
    )
    st.stop()
probes.warn_of_few_steps(plan, prepared)
job = probes.find(plan, chosen)
live = job is not None and job.state is jobs.State.RUNNING
outcome = probes.outcome(plan, chosen, job)
ended = len(outcome.records)
# A place of its own even while it is empty: what follows must not move, or a click meant for it
# would be lost at the very moment when training ends.
button = st.container()
if not live:
    again = ended == len(plan.methods)
    button.button(
        "Train again" if again else runs.run_label(len(plan.methods) - ended, ended, "Train"),
        type="secondary" if again else "primary",
        on_click=probes.start,
        args=(plan, chosen, again),
    )
with st.container():
    probes.show_plan(plan, chosen, job, ended)


def training(asked: Plan) -> None:
    if job is not None and live:
        panel.bar(job, "probes")
    probe_results.show_training(asked, outcome, prepared)


panel.follow(
    job,
    partial(training, plan),
    every=1.0,
    changed=lambda: len(outcome.records) > ended,
    running=live,
)
if ended:
    votes = engine.reports(chosen, prepared, chosen.methods)
    probe_results.show_results(plan, outcome, votes, prepared)
    probe_results.show_fitted_last(outcome, prepared, plan)
if job is not None and job.error is not None:
    panel.show_error(job.error, chosen.refuse)

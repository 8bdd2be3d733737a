"""Many runs at once: a plan by controls or from a file, its job, and where its results are."""

from functools import partial

import streamlit as st

from ui.jobs import jobs, panel, runs
from ui.measure import sweep_controls, sweeps
from ui.shell import header, navigation, settings

header.show(
    "Sweeps",
    "Every method under every noise, seed and data set that you choose, in one go.",
    "scale",
)
folders = settings.folders()
plan = sweep_controls.choose(folders)
if plan is None:
    st.stop()

planned = sweeps.planned(plan, folders)
job = sweeps.find(plan, folders)
live = job is not None and job.state is jobs.State.RUNNING
sweeps.show_plan(planned)
button, download, _ = st.columns([2, 2, 3])
download.download_button(
    "Plan, TOML",
    plan.to_toml(),
    "wann-sweep.toml",
    "application/toml",
    key="toml_plan",
    icon=":material/download:",
    on_click="ignore",
    width="stretch",
)
if not live:
    button.button(
        runs.run_label(len(planned.todo), planned.stored),
        type="primary",
        width="stretch",
        on_click=sweeps.start,
        args=(plan, folders, planned.runs),
        disabled=not planned.todo,
    )


if job is not None:
    panel.follow(job, partial(sweeps.show_outcome, job), running=live)
if job is not None or planned.stored:
    navigation.link("results", "See the results", ":material/table_chart:")

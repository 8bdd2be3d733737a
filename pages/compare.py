"""How the methods hold up along noise, imbalance or training rows, over several seeds."""

import streamlit as st

from ui import comparison, engine, jobs, settings

st.title("Compare")
chosen = settings.sidebar()
plan = comparison.controls(chosen)
if plan is None:
    st.stop()

job = comparison.find(plan, chosen)
left, right = st.columns([1, 4] if job is None else [0.01, 5], vertical_alignment="center")
if job is None:
    left.button(
        "Run", type="primary", width="stretch", on_click=comparison.start, args=(plan, chosen)
    )
right.caption(plan.in_words())
if job is None:
    st.info(
        "Press Run to see how the methods hold up. All settings of the sidebar but the one "
        "compared stay as they are along the way.",
        icon=":material/play_arrow:",
    )
    st.stop()
live = job.state is jobs.State.RUNNING


@st.fragment(run_every=0.5 if live else None)
def results() -> None:
    if job.state is jobs.State.RUNNING:
        jobs.bar(job, "cancel_compare")
    if job.state is jobs.State.CANCELLED:
        st.warning(f"Cancelled after {len(job.partial)} runs.", icon=":material/cancel:")
    if live and job.state is not jobs.State.RUNNING:
        st.rerun()  # the whole page: its button and this clock depend on the job
    if job.state is jobs.State.CANCELLED and st.button("Go on"):
        comparison.restart(plan, chosen)
        st.rerun()
    if job.partial:
        comparison.show(plan, list(job.partial))
    if job.error is not None:
        if st.button("Try again"):
            comparison.restart(plan, chosen)
            st.rerun()
        engine.fail(chosen, job.error)


results()

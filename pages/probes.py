"""Linear probes under robust losses and logistic regression, beside the votes of neighbours."""

import streamlit as st

from ui import engine, jobs, probe_results, probes, settings

st.title("Probes")
st.caption("What a trained linear layer makes of the same noisy labels, beside WANN.")
chosen = settings.sidebar()
plan = probes.controls(chosen)
if plan is None:
    st.stop()

prepared = engine.prepared(chosen)
chosen.show_realised(prepared.noise_ratio)
if prepared.leave_one_out:
    st.info(
        "This data set has no test rows, which probes need: import or embed it with a split.",
        icon=":material/call_split:",
    )
    st.stop()
probes.warn_of_few_steps(plan, prepared)
job = jobs.registry().find(probes.key(plan, chosen))
live = job is not None and job.state is jobs.State.RUNNING
if not live:
    again = job is not None and job.state is jobs.State.DONE
    st.button(
        "Train again" if again else "Train", type="secondary" if again else "primary",
        on_click=probes.start, args=(plan, chosen, again),
    )  # fmt: skip
if job is None:
    st.info(
        f"Press Train to fit {len(plan.methods)} methods to these labels; what was trained before "
        "comes from the results store at once.",
        icon=":material/model_training:",
    )
    st.stop()


@st.fragment(run_every=1.0 if live else None)
def training() -> None:
    if job.state is jobs.State.RUNNING:
        jobs.bar(job, "cancel_probes")
    elif live:
        st.rerun()
    if job.partial:
        probe_results.show_training(job.partial[0])


training()
if job.state is jobs.State.CANCELLED:
    st.warning("Cancelled. What had ended is kept.", icon=":material/cancel:")
if job.partial and job.partial[0].records:
    votes = engine.reports(chosen, prepared, chosen.methods)
    probe_results.show_results(plan, job.partial[0], votes, prepared)
if job.state is jobs.State.DONE:
    probe_results.show_fitted_last(job.partial[0], prepared, plan)
if job.error is not None:
    engine.fail(chosen, job.error)

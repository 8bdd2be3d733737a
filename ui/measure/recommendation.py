"""One line on what to choose without clean labels, for the sidebar's rows and labels."""

import dataclasses

import numpy as np
import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.shell import theme
from ui.shell.settings import Settings
from wann_core.audit.arrays import audit_labels
from wann_core.audit.recommendation import ROWS, Recommendation, recommend
from wann_core.experiments.run import prepare


def show(settings: Settings) -> None:
    """Draw the button, or the choice with its reason."""
    scenario = dataclasses.replace(settings.scenario, reduction=None, reduction_size=None)

    def work(job: jobs.Job) -> Recommendation:
        job.progress(0, 1, "reading the data set")
        made = prepare(scenario, settings.roots, progress=job.progress)
        drawn = np.sort(np.random.RandomState(0).permutation(len(made.labels))[:ROWS])
        X, given = made.X_train[drawn], made.labels[drawn]
        found = audit_labels(X, given, progress=job.progress)
        return recommend(found.evidence, progress=job.progress)

    panel = Panel(
        "recommend",
        ("recommend", settings.fingerprint, scenario.with_method("WANN")),
        work,
        "Recommending a method",
        refuse=settings.refuse,
    )
    panel.offer(
        "Recommend a method",
        icon=":material/lightbulb:",
        help="Chooses method, bounds of k and reduction by the given labels alone: every method "
        "answers rows that it was not fitted to, and the label audit says how right it probably "
        "is.",
    )
    if panel.job is not None and (answer := panel.answer()) is not None:
        st.info(theme.plain(answer.text), icon=":material/lightbulb:")

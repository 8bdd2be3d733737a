"""One line on what to choose without clean labels, for the sidebar's rows and labels."""

import dataclasses

import numpy as np
import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.shell import theme
from ui.shell.settings import Settings
from wann_core.audit.arrays import audit_labels
from wann_core.audit.recommending.recommendation import ROWS, Recommendation, recommend
from wann_core.experiments.preparation import Preparation


def show(settings: Settings) -> None:
    """Draw the button, or the choice with its reason."""
    plain = dataclasses.replace(settings.scenario, reduction=None, reduction_size=None)
    labeling = plain.labeling()  # what the answer depends on: no method, no k

    def work(job: jobs.Job) -> Recommendation:
        job.progress(0, 1, "reading the data set")
        made = Preparation.of(plain, settings.roots, job.progress)
        X, given, rows = made.drawn(labeling)
        drawn = np.sort(np.random.RandomState(0).permutation(len(given))[:ROWS])
        groups = made.data.group  # of train first, all of whose rows are labeled
        found = audit_labels(
            X[drawn],
            given[drawn],
            groups=None if groups is None else groups[rows[drawn]],
            progress=job.progress,
        )
        return recommend(found.evidence, progress=job.progress)

    panel = Panel(
        "recommend",
        ("recommend", settings.fingerprint, labeling),
        work,
        "Recommending a method",
        again="",
    )
    panel.offer(
        "Recommend a method",
        icon=":material/lightbulb:",
        help="Chooses method, bounds of k and reduction by the given labels alone: every method "
        "answers rows that it was not fitted to, and the label audit estimates how often it is "
        "right.",
    )
    if panel.job is not None and (answer := panel.answer()) is not None:
        st.info(theme.plain(answer.text), icon=":material/lightbulb:")

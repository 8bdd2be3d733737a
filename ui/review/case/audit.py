"""The Label audit page's way from a data set to an audit of it: settings, job, result."""

import dataclasses
import time

import numpy as np
import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel, bar, follow
from ui.review.case.asked import Asked
from ui.review.case.data import SPLITS, Case
from wann_core.audit.judging.duplicates import NEAR
from wann_core.audit.label_audit import audit, judge
from wann_core.audit.result import Audit
from wann_core.audit.scores import DEFAULT_SCORE
from wann_core.datasets import database
from wann_core.errors import WannError
from wann_core.review.ledger import has_ledger, ledger_of
from wann_core.storage.memory_cache import SharedCache

_KIND = "audit"
# Seconds after which the neighbors' ranking is shown while the probe is still being fitted: a list
# that is replaced at once only confuses.
_SOON = 1.5
_RANKED_BY_NEIGHBORS = (
    "Ranked by neighbors only; the probe is being fitted. You can begin: your verdicts and the "
    "card you are on stay when the better ranking takes this one's place."
)
# Judged again for another score in well under a job's time, from the same evidence.
_judged = SharedCache(max_bytes=1 << 30)


def case(asked: Asked) -> Case:
    """The audit of the data set; the page ends here until there is one."""
    panel = _panel(asked)
    if panel.job is None and _begun(asked):
        panel.begin()
    if panel.job is None or (panel.job.state is jobs.State.CANCELED and not panel.job.partial):
        st.info(
            "Every label of train, val and test is judged by the other rows. Then go through the "
            "most doubtful ones, by key or by button, and export your verdicts as a table or a "
            "cleaned data set.",
            icon=":material/troubleshoot:",
        )
        st.button(
            "Audit",
            type="primary",
            icon=":material/troubleshoot:",
            on_click=panel.start,
        )
        st.stop()
    made = _provisional(panel) or panel.answer(changed=lambda: _worth_showing(panel))
    if made is None:
        st.stop()
    there = asked.score != "probe" or made.found.evidence.probe is not None
    score = asked.score if there else DEFAULT_SCORE
    return _judged_by(made, score, asked.near)


def _worth_showing(panel: Panel[Case]) -> bool:
    """Whether the neighbors' ranking is there, and the probe will not come at any moment."""
    made = list(panel.job.partial) if panel.job is not None else []
    return any(time.monotonic() - since > _SOON for since, _ in made)


def _provisional(panel: Panel[Case]) -> Case | None:
    """The ranking by neighbors, with the state of the probe above it; None if it is not wanted."""
    running, job = panel.busy, panel.job  # in this order: what ends in a moment is waited for
    partial = [] if job is None else list(job.partial)  # the job's thread may clear it meanwhile
    if job is None or not partial or job.state in (jobs.State.DONE, jobs.State.FAILED):
        return None
    made: Case = partial[0][1]
    if running:
        if not _worth_showing(panel):
            return None
        st.info(_RANKED_BY_NEIGHBORS, icon=":material/hourglass_top:")
        follow(job, lambda: bar(job, panel.name), running=True)
        return made
    st.info("Ranked by neighbors only: fitting the probe was canceled.", icon=":material/cancel:")
    st.button("Fit the probe", icon=":material/troubleshoot:", on_click=panel.start)
    return made


def _begun(asked: Asked) -> bool:
    """Whether somebody has judged labels of this data set before, and will want to go on."""
    return asked.pattern is None and has_ledger(asked.source.dataset)


def _panel(asked: Asked) -> Panel[Case]:
    source = asked.source
    key = (
        _KIND,
        source.dataset,
        source.backbone,
        source.fingerprint,
        asked.pattern,
        asked.ratio,
        asked.probe,
        asked.grouped,
    )

    def work(job: jobs.Job) -> Case:
        job.progress(0, 1, "loading the data set")
        data = asked.load(job.progress)
        groups = data.group if asked.grouped else None
        if asked.grouped and groups is None:
            raise WannError(
                f"{source.dataset!r} has no column of groups: give one that role when you import "
                "the data, or switch off “Rows of a group do not judge each other”.",
                "dataset",
            )
        # Unpacking images may take seconds: here, where a bar shows.
        _ = data.images
        truth = None
        if asked.pattern is not None:
            splits = [data.splits[name] for name in SPLITS if name in data.splits]
            truth = np.concatenate([split.true[split.y >= 0] for split in splits])
        place = database.folder(source.roots.databases, source.dataset, source.backbone)
        skipped = tuple(database.manifest(place).get("skipped", ()))

        def made(found: Audit, provisional: bool) -> Case:
            return Case(
                data, found, ledger_of(data), key, truth, skipped=skipped, provisional=provisional
            )

        def preview(found: Audit) -> None:
            job.partial.append((time.monotonic(), made(found, True)))

        found = audit(
            data, probe=asked.probe, groups=groups, progress=job.progress, preview=preview
        )
        job.partial.clear()  # two audits of a large data set are one too many
        return made(found, False)

    return Panel(
        "audit", key, work, f"Auditing {source.dataset}", again="Try again", refuse=source.refuse
    )


def _judged_by(made: Case, score: str, near: float) -> Case:
    if (score, near) == (made.found.score_name, NEAR):
        return made

    def build() -> tuple[Case, int]:
        found = judge(made.found.rows, made.found.evidence, score, near)
        return dataclasses.replace(made, found=found, near=near), found.rows.X.nbytes

    with st.spinner("Judging by other settings …"):
        return _judged.get((made.found, score, near), build)

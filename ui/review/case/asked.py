"""What the sidebar of the Label audit page asks for: a data set, how it is audited, and by whom."""

import getpass
from dataclasses import dataclass

import streamlit as st

from ui.shell import access, noise, settings
from ui.shell.controls import linked
from wann_core import datasets
from wann_core.audit.judging.duplicates import NEAR
from wann_core.audit.scores import DEFAULT_SCORE, SCORES
from wann_core.datasets import Dataset
from wann_core.noise.known_errors import flip_for_practice
from wann_core.progress import Progress

SCORE_NAMES = {
    "combined": "Combined",
    "neighbors": "Neighbors",
    "probe": "Probe",
    "wann_share": "WANN's share of votes",
    "knn_share": "kNN's share of votes",
    "confident": "Confident learning on WANN's votes",
    "simifeat_v": "SimiFeat, vote",
    "simifeat_r": "SimiFeat, rank",
    "eta": "Reliability η",
}


@dataclass(frozen=True)
class Asked:
    """What the sidebar asks for.

    Attributes
    ----------
    source : Source
    score : str
    probe : bool
    who : str
        Whose verdicts are recorded.
    pattern : str or None
        Of labels flipped for practice.
    ratio : float
        Of these, 0 to 0.9.
    near : float
        How near near-duplicates are, see `near_duplicates`.
    grouped : bool
        Whether rows of a group do not judge each other.
    """

    source: settings.Source
    score: str
    probe: bool
    who: str
    pattern: str | None
    ratio: float
    near: float
    grouped: bool

    def load(self, progress: Progress) -> Dataset:
        """The data set with the labels to be judged."""
        s = self.source
        data = datasets.load(s.dataset, s.backbone, *s.roots, progress)
        return data if self.pattern is None else flip_for_practice(data, self.pattern, self.ratio)


def sidebar() -> Asked:
    """Draw what is to be audited, how, and by whom."""
    source = settings.source()
    with st.sidebar:
        probe = linked(
            st.toggle,
            "Also use logistic regression",
            key="probe",
            value=True,
            help="Fitted five times to four fifths of the rows, it judges those it has not seen. "
            "It takes longer and finds more.",
        )
        score = linked(
            st.selectbox,
            "Score",
            key="score",
            index=list(SCORES).index(DEFAULT_SCORE),
            options=[name for name in SCORES if probe or name != "probe"],
            format_func=SCORE_NAMES.__getitem__,
            help="What ranks the labels. Combined, of probe and neighbors, found most wrong "
            "labels on all but one of the data sets it was measured on.",
        )
        grouped = linked(
            st.toggle,
            "Rows of a group do not judge each other",
            key="grouped",
            value=False,
            help="For frames of a video, pictures of a patient and the like. The group is the "
            "column that was given that role when the data set was imported.",
        )
        near = linked(
            st.slider,
            "Near-duplicates: distance, %",
            key="near",
            min_value=1,
            max_value=100,
            value=round(100 * NEAR),
            help="Rows nearer to each other than this share of the usual distance between nearest "
            "rows are near-duplicates. They are marked on their cards and in exports; scores stay "
            "as they are.",
        )
        titles = {"none": "None", **noise.pattern_titles(matrix=False)}
        pattern = linked(
            st.selectbox,
            "Inject known errors (practice)",
            key="practice",
            options=list(titles),
            format_func=titles.__getitem__,
            help="Wrong labels made on purpose in train, val and test, so that every verdict can "
            "be checked. Verdicts on them are kept apart from those on the labels as they are.",
        )
        ratio = 0.0
        if pattern != "none":
            ratio = linked(
                st.slider,
                "Share to flip",
                key="flip",
                min_value=0.05,
                max_value=0.6,
                value=0.4,
                step=0.05,
            )
        who = _who()
    return Asked(
        source=source,
        score=score,
        probe=probe,
        who=who,
        pattern=None if pattern == "none" else pattern,
        ratio=ratio,
        near=near / 100,
        grouped=grouped,
    )


def _who() -> str:
    """Whose verdicts are recorded: who is logged in, else the name that they entered."""
    logged_in = access.user()
    if logged_in is not None:
        st.text_input("Your name", logged_in, disabled=True, help="As you have logged in.")
        return logged_in
    who = st.text_input(
        "Your name",
        key="who",
        persist_state="session",
        value=_user(),
        max_chars=200,
        help="Written beside each of your verdicts; undo takes back your own only.",
    )
    return who.strip() or _user()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "me"

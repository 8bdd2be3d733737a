"""The sidebar: what is asked, as one scenario; errors appear beside the control at fault."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.shell import access, navigation, noise, theme
from ui.shell.controls import describe_error
from ui.shell.form import LABELS, Form, is_changed
from wann_core import datasets
from wann_core.errors import WannError
from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.scenario import Scenario
from wann_core.methods.registry import BASELINES
from wann_core.paths import DATABASE_ROOT, DATASET_ROOT, Roots

_REDUCTIONS = ("none", "PCA", "LDA", "fLDA")
NORMALIZATIONS = {"zscore": "z-score", "l2": "Unit length", "none": "None"}
_SEARCHES = {"auto": "Automatic", "flat": "Exact"}
_BALANCED = 1.0
IMBALANCES = (_BALANCED, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
# Defaults, by key, of the settings that are folded away.
_MORE: dict[str, Any] = {
    "rows": None,
    "draw": noise.DEFAULT_DRAW,
    "seed": 42,
    "k": 11,
    "reduction": "none",
    "norm": "zscore",
    "search": "auto",
}
_UNFOLDED = "_more_settings"
Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Folders:
    """Data folders.

    Attributes
    ----------
    roots : Roots
        Of embedding databases; of raw images and human labels.
    """

    roots: Roots


@dataclass(frozen=True)
class Settings(Folders):
    """What the sidebar asks for.

    Attributes
    ----------
    scenario : Scenario
    places : dict
        Where an error about a setting is shown.
    realized : DeltaGenerator
        Where the realized noise is shown, below the noise controls.
    """

    scenario: Scenario
    places: dict[str, DeltaGenerator]
    realized: DeltaGenerator

    def refuse(self, error: WannError) -> NoReturn:
        """Show the error beside its control and end the page."""
        _refuse(error, self.places)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """`datasets.fingerprint` of the data set, taken once a run of the page."""
        return _fingerprint(self.scenario.dataset, self.scenario.backbone, self)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of every comparison, and kNN under the chosen k."""
        chosen = f"kNN-{self.scenario.k}"
        extra = () if chosen in BASELINES else (chosen,)
        return (*extra, *BASELINES)

    def show_realized(self, prepared: PreparedData) -> None:
        """Say how much noise there really is, as far as somebody knows."""
        text = "Noise: not known. The label audit estimates it."
        if prepared.truth_known:
            text = f"Realized noise: **{theme.percent(prepared.noise_ratio, 2)}** of the labels"
        if prepared.truth_assumed:
            text += (
                ". It was added to labels as they were given: these count as true here, though "
                "nobody has verified them."
            )
        place = self.realized.container()
        place.caption(text)
        if prepared.noise_note:
            note = theme.plain(prepared.noise_note)
            place.warning(f"{note[:1].upper()}{note[1:]}.", icon=":material/info:")


def folders() -> Folders:
    """Draw where data lie and nothing else, for pages that are about no single data set."""
    navigation.enter()
    theme.apply()
    with st.sidebar:
        return Folders(_roots(Form(), expanded=True))


@dataclass(frozen=True)
class Source(Folders):
    """One data set under one backbone, with no scenario around it.

    Attributes
    ----------
    dataset, backbone : str
    places : dict
        Where an error about a setting is shown.
    """

    dataset: str
    backbone: str
    places: dict[str, DeltaGenerator]

    def refuse(self, error: WannError) -> NoReturn:
        """Show the error beside its control and end the page."""
        _refuse(error, self.places)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """`datasets.fingerprint` of the data set, taken once a run of the page."""
        return _fingerprint(self.dataset, self.backbone, self)


def source() -> Source:
    """Draw the choice of data set and backbone alone, for pages that take labels as they are."""
    navigation.enter()
    theme.apply()
    form = Form()
    with st.sidebar:
        roots, dataset, backbone = _place(form)
        return Source(roots, dataset, backbone, form.places)


def sidebar() -> Settings:
    """Draw the shared controls, those that matter first at the top; pages call this first."""
    navigation.enter()
    theme.apply()
    form = Form()
    with st.sidebar:
        top, below, folders = st.container(), st.container(), st.container()
        with folders:
            roots = _roots(form)
        known = set(form.defaults)
        with top:
            dataset, backbone = _source(form, roots)
            known |= set(form.defaults)
            wrong, unusable, realized = noise.controls(form, dataset)
            imbalance = form(
                st.select_slider,
                "imbalance_ratio",
                "imbalance",
                options=IMBALANCES,
                format_func=lambda ratio: "none" if ratio == _BALANCED else f"{ratio:g}",
                help="Long tail: rows of the last class over rows of the first.",
            )
            bounds = form(
                st.slider,
                "k_max",
                "bounds",
                min_value=1,
                max_value=51,
                value=(11, 51),
                step=2,
                help="k_min and k_max of ANN and WANN. A training row that no neighborhood up to "
                "k_max explains gets k_max.",
            )
            form.places["k_min"] = form.places["k_max"]
        with below:
            # A change inside, which may be an error, must be in sight, and stay so for this visit.
            unfolded = st.session_state.get(_UNFOLDED, False) or is_changed(_MORE)
            st.session_state[_UNFOLDED] = unfolded
            with st.expander("More settings", expanded=unfolded):
                more = _more(form)
            form.ways_back([key for key in form.defaults if key not in known])
    if unusable is not None:
        _refuse(unusable, form.places)
    try:
        scenario = Scenario(
            dataset=dataset,
            backbone=backbone,
            imbalance_ratio=None if imbalance == _BALANCED else imbalance,
            **wrong,
            **more,
            k_min=bounds[0],
            k_max=bounds[1],
        )
    except WannError as error:
        _refuse(error, form.places)
    return Settings(roots, scenario, form.places, realized)


def _more(form: Form) -> dict[str, Any]:
    """The scenario's fields that are changed less often."""
    rows = form(
        st.number_input,
        "num_subsamples",
        "rows",
        min_value=1,
        value=_MORE["rows"],
        step=100,
        placeholder="all",
        help="Stratified subsample of the training rows; empty for all.",
    )
    draw = noise.draw(form)
    seed = form(
        st.number_input,
        "seed",
        "seed",
        min_value=0,
        max_value=2**32 - 1,
        value=_MORE["seed"],
        help="Of the long tail, the subsample and the noise.",
    )
    k = form(
        st.slider,
        "k",
        "k",
        min_value=1,
        max_value=51,
        value=_MORE["k"],
        step=2,
        help="kNN with 11 and with 51 neighbors is always compared; any other k joins them.",
    )
    reduce_by = form(
        st.selectbox,
        "reduction",
        "reduction",
        options=_REDUCTIONS,
        format_func=lambda name: "None" if name == "none" else name,
        help="PCA keeps 200 dimensions (or what there is). LDA is fitted to the noisy labels; "
        "fLDA only to those that a neighborhood explains.",
    )
    normalization = form(
        st.selectbox,
        "normalization",
        "norm",
        options=list(NORMALIZATIONS),
        format_func=NORMALIZATIONS.__getitem__,
        help="Of the embeddings, before neighbors are searched. The paper takes the z-score.",
    )
    search = form(
        st.selectbox,
        "search",
        "search",
        options=list(_SEARCHES),
        format_func=_SEARCHES.__getitem__,
        help="Automatic: on many rows a faster search, if it finds 99.99 % of the exact "
        "neighbors of a sample; how many is shown.",
    )
    return {
        "num_subsamples": rows,
        "draw": draw,
        "seed": seed,
        "k": k,
        "reduction": None if reduce_by == "none" else reduce_by,
        "normalization": normalization,
        "search": search,
    }


def _place(form: Form) -> tuple[Roots, str, str]:
    """Draw data set and backbone, and below them the folders that they are found in."""
    top = st.container()
    roots = _roots(form)
    with top:
        return roots, *_source(form, roots)


def _roots(form: Form, expanded: bool = False) -> Roots:
    named = {
        "databases": os.environ.get("WANN_DATABASE_ROOT", DATABASE_ROOT),
        "data": os.environ.get("WANN_DATASET_ROOT", DATASET_ROOT),
    }
    with st.expander("Data folders", expanded=expanded or is_changed(named)):
        databases = form(
            st.text_input,
            "database_root",
            "databases",
            value=named["databases"],
            help="Folder on this machine with <data set>/<backbone>/train.npz and test.npz. The "
            "Data page makes such databases.",
        )
        raw = form(
            st.text_input,
            "dataset_root",
            "data",
            value=named["data"],
            help="Folder on this machine with raw images and human labels, as in "
            "<data set>/… and cifarn/CIFAR-10_human.pt.",
        )
    try:
        return Roots(
            access.typed_path(databases, "database_root"), access.typed_path(raw, "dataset_root")
        )
    except WannError as error:
        _refuse(error, form.places)


def _source(form: Form, roots: Roots) -> tuple[str, str]:
    pairs = [datasets.BUILT_IN]
    try:
        pairs = datasets.available(*roots)
    except WannError as error:
        # Nobody who looks at the built-in digits needs a database folder.
        if str(roots.databases) != os.environ.get("WANN_DATABASE_ROOT", DATABASE_ROOT):
            form.places["database_root"].error(theme.plain(describe_error(error, LABELS)))
    names = list(dict.fromkeys(name for name, _ in pairs))
    navigation.opened("dataset", names)
    dataset = form(st.selectbox, "dataset", "dataset", options=names)
    backbones = [backbone for name, backbone in pairs if name == dataset]
    navigation.opened("backbone", backbones)
    backbone = form(
        st.selectbox,
        "backbone",
        "backbone",
        options=backbones,
        help="The frozen model whose embeddings are compared.",
    )
    return dataset, backbone


def _fingerprint(dataset: str, backbone: str, settings: "Settings | Source") -> Fingerprint:
    try:
        return datasets.fingerprint(dataset, backbone, *settings.roots)
    except WannError as error:
        settings.refuse(error)
    except OSError as error:
        settings.refuse(WannError(f"the database cannot be read: {error}.", "dataset"))


def _refuse(error: WannError, places: dict[str, DeltaGenerator]) -> NoReturn:
    text = theme.plain(describe_error(error, LABELS))
    if error.field in places:
        places[error.field].error(text, icon=":material/error:")
        st.info("Change the setting marked in the sidebar to go on.", icon=":material/arrow_back:")
    else:
        st.error(text, icon=":material/error:")
    st.stop()

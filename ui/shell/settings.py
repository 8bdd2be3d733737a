"""The sidebar: what is asked, as one scenario; errors appear beside the control at fault."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.shell import navigation, theme
from ui.shell.controls import describe_error, linked, typed_path
from wann_core import datasets
from wann_core.datasets import catalog
from wann_core.errors import WannError
from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.scenario import Scenario
from wann_core.methods.registry import BASELINES
from wann_core.noise import patterns
from wann_core.noise.registry import ALL_PATTERNS
from wann_core.paths import DATABASE_ROOT, DATASET_ROOT, Roots

DRAWS = {"exact": "Exact", "reference": "As published"}
_REDUCTIONS = ("none", "PCA", "LDA", "fLDA")
NORMALIZATIONS = {"zscore": "z-score", "l2": "Unit length", "none": "None"}
_SEARCHES = {"auto": "Automatic", "flat": "Exact"}
_BALANCED = 1.0
IMBALANCES = (_BALANCED, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
LABELS = {
    "dataset": "Data set",
    "backbone": "Backbone",
    "database_root": "Database folder",
    "dataset_root": "Data folder",
    "num_subsamples": "Training rows",
    "imbalance_ratio": "Imbalance",
    "noise_pattern": "Noise pattern",
    "noise_ratio": "Noise ratio",
    "transition_matrix": "Transition matrix",
    "draw": "How noise is drawn",
    "seed": "Seed",
    "k": "Additional kNN: k",
    "k_min": "Bounds of the adaptive k",
    "k_max": "Bounds of the adaptive k",
    "normalization": "Normalization",
    "reduction": "Reduction",
    "reduction_size": "Dimensions",
    "search": "Neighbor search",
}
_MATRIX_BYTES = 1 << 24
_MATRIX, _MATRIX_FILE, _MATRIX_REFUSED = "_matrix", "matrix_file", "_matrix_refused"
# Browsers and servers take links of a few thousand characters for granted.
_LINK_CHARS = 4_000
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


def pattern_titles(*, matrix: bool) -> dict[str, str]:
    """Titles of all noise patterns by name; those that need the user's matrix if asked for."""
    entries = ALL_PATTERNS.values()
    return {one.name: one.title for one in entries if matrix or not one.needs_matrix}


class _Form:
    """Controls that live in the URL and in the session, each with a place for its error."""

    def __init__(self) -> None:
        self.places: dict[str, DeltaGenerator] = {}

    def __call__(
        self, widget: Any, field: str, key: str, alias: str | None = None, **options: Any
    ) -> Any:
        value = linked(widget, LABELS[field], key=key, alias=alias, **options)
        self.places[field] = st.empty()
        return value


def folders() -> Folders:
    """Draw where data lie and nothing else, for pages that are about no single data set."""
    navigation.enter()
    theme.apply()
    with st.sidebar:
        return Folders(_roots(_Form(), expanded=True))


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
    form = _Form()
    with st.sidebar:
        roots = _roots(form)
        return Source(roots, *_source(form, roots), form.places)


def sidebar() -> Settings:
    """Draw the shared controls; pages about one scenario call this first."""
    navigation.enter()
    theme.apply()
    form = _Form()
    with st.sidebar:
        roots = _roots(form)
        dataset, backbone = _source(form, roots)
        rows = form(
            st.number_input,
            "num_subsamples",
            "rows",
            min_value=1,
            value=None,
            step=100,
            placeholder="all",
            help="Stratified subsample of the training rows; empty for all.",
        )
        imbalance = form(
            st.select_slider,
            "imbalance_ratio",
            "imbalance",
            options=IMBALANCES,
            format_func=lambda ratio: "none" if ratio == _BALANCED else f"{ratio:g}",
            help="Long tail: rows of the last class over rows of the first.",
        )
        noise, unusable, realized = _noise(form, dataset)
        seed = form(
            st.number_input,
            "seed",
            "seed",
            min_value=0,
            max_value=2**32 - 1,
            value=42,
            help="Of the long tail, the subsample and the noise.",
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
        k = form(
            st.slider,
            "k",
            "k",
            min_value=1,
            max_value=51,
            value=11,
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
    if unusable is not None:
        _refuse(unusable, form.places)
    try:
        scenario = Scenario(
            dataset=dataset,
            backbone=backbone,
            seed=seed,
            imbalance_ratio=None if imbalance == _BALANCED else imbalance,
            num_subsamples=rows,
            **noise,
            normalization=normalization,
            search=search,
            reduction=None if reduce_by == "none" else reduce_by,
            k=k,
            k_min=bounds[0],
            k_max=bounds[1],
        )
    except WannError as error:
        _refuse(error, form.places)
    return Settings(roots, scenario, form.places, realized)


def _roots(form: _Form, expanded: bool = False) -> Roots:
    with st.expander("Data folders", expanded=expanded):
        databases = form(
            st.text_input,
            "database_root",
            "databases",
            value=os.environ.get("WANN_DATABASE_ROOT", DATABASE_ROOT),
            help="Folder on this machine with <data set>/<backbone>/train.npz and test.npz. The "
            "Data page makes such databases.",
        )
        raw = form(
            st.text_input,
            "dataset_root",
            "data",
            value=os.environ.get("WANN_DATASET_ROOT", DATASET_ROOT),
            help="Folder on this machine with raw images and human labels, as in "
            "<data set>/… and cifarn/CIFAR-10_human.pt.",
        )
    return Roots(typed_path(databases), typed_path(raw))


def _source(form: _Form, roots: Roots) -> tuple[str, str]:
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


def _noise(form: _Form, dataset: str) -> tuple[dict[str, Any], WannError | None, DeltaGenerator]:
    """The scenario's fields of the noise, what is wrong with them, and where to say what it is."""
    # Labels that may be wrong by themselves get no more noise unless somebody asks for it. This is
    # a control of its own, since a link leaves out what is a control's default.
    titles = {**pattern_titles(matrix=True), "none": "None"}
    doubtful = catalog.is_noisy(dataset) or dataset not in catalog.ENTRIES
    pattern = form(
        st.selectbox,
        "noise_pattern",
        *(("added_noise", "noise") if doubtful else ("noise", "added_noise")),
        options=list(titles),
        index=list(titles).index("none") if doubtful else 0,
        format_func=titles.__getitem__,
        help="Asymmetric: the published class pairs, for any other data set each class to the "
        "next. Own matrix: a CSV of clean class × given label.",
    )
    matrix, error = _matrix(form) if pattern == "matrix" else (None, None)
    ratio = form(
        st.slider,
        "noise_ratio",
        "ratio",
        min_value=0.0,
        max_value=1.0,
        value=0.4,
        step=0.05,
        disabled=pattern in ("none", "matrix"),
        help="Share of the labels that go wrong; under asymmetric noise, of the labels of those "
        "classes that are mistaken.",
    )
    draw = form(
        st.segmented_control,
        "draw",
        "draw",
        options=list(DRAWS),
        default="exact",
        format_func=DRAWS.__getitem__,
        required=True,
        help="Exact: each class pair gets the number of wrong labels that the pattern asks for, to "
        "within one row. As published: the draws of the paper's code, number for number.",
    )
    fields = {
        "noise_pattern": None if pattern == "none" else pattern,
        "noise_ratio": ratio,
        "draw": draw,
        "transition_matrix": matrix,
    }
    return fields, error, st.empty()


def _matrix(form: _Form) -> tuple[tuple[tuple[float, ...], ...] | None, WannError | None]:
    """The transition matrix, or what is wrong with it; small ones live in the link."""
    st.file_uploader(
        "Upload a transition matrix", type="csv", key=_MATRIX_FILE, on_change=_take_matrix
    )
    text = form(
        st.text_area,
        "transition_matrix",
        "matrix",
        placeholder="0.9, 0.1\n0, 1",
        help="C lines of C numbers: line = clean class, column = given label, each line sums to 1. "
        "What stands here is in the link; a file that is larger than a link can be is kept until "
        "you drop it.",
    )
    refused: str = st.session_state.get(_MATRIX_REFUSED, "")
    if refused:
        return None, WannError(refused, "transition_matrix")
    if text and text.strip():
        try:
            return patterns.parse_matrix(text.replace(";", "\n")), None
        except WannError as error:
            return None, error
    kept: tuple[tuple[float, ...], ...] | None = st.session_state.get(_MATRIX)
    if kept is None:
        sentence = (
            "`transition_matrix` is needed: a CSV of C rows and C columns, row = clean class, "
            "column = given label, each row summing to 1."
        )
        return None, WannError(sentence, "transition_matrix")
    st.caption(
        f"The uploaded {len(kept)} × {len(kept)} matrix is in use. It is too large for the link, "
        "which opens without it."
    )
    st.button("Drop the matrix", key="matrix_drop", on_click=_drop_matrix)
    return kept, None


def _take_matrix() -> None:
    """Read an upload: into the text if it is short enough for a link; what was before goes."""
    _drop_matrix()
    upload = st.session_state[_MATRIX_FILE]
    if upload is None:
        return
    try:
        if upload.size > _MATRIX_BYTES:
            text = f"`transition_matrix` is larger than {_MATRIX_BYTES >> 20} MiB."
            raise WannError(text, "transition_matrix")
        matrix = patterns.parse_matrix(upload.getvalue().decode("utf-8-sig"))
    except UnicodeDecodeError:
        st.session_state[_MATRIX_REFUSED] = "`transition_matrix` is not text."
    except WannError as error:
        st.session_state[_MATRIX_REFUSED] = str(error)
    else:
        text = "\n".join(",".join(f"{value:.12g}" for value in row) for row in matrix)
        if len(text) <= _LINK_CHARS and patterns.parse_matrix(text) == matrix:
            st.session_state["matrix"] = text
        else:
            st.session_state[_MATRIX] = matrix


def _drop_matrix() -> None:
    st.session_state["matrix"] = ""
    for key in (_MATRIX, _MATRIX_REFUSED):
        st.session_state.pop(key, None)


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

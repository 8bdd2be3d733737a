"""The sidebar's noise: pattern, ratio, and the user's own transition matrix."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.shell.form import Form
from wann_core.datasets import catalog
from wann_core.errors import WannError
from wann_core.noise import patterns
from wann_core.noise.registry import ALL_PATTERNS

DRAWS = {"exact": "Exact", "reference": "As published"}
DEFAULT_DRAW = "exact"
DEFAULT_RATIO = 0.4
_MATRIX_BYTES = 1 << 24
_MATRIX, _MATRIX_FILE, _MATRIX_REFUSED = "_matrix", "matrix_file", "_matrix_refused"
# Browsers and servers take links of a few thousand characters for granted.
_LINK_CHARS = 4_000


def pattern_titles(*, matrix: bool) -> dict[str, str]:
    """Titles of all noise patterns by name; those that need the user's matrix if asked for."""
    entries = ALL_PATTERNS.values()
    return {one.name: one.title for one in entries if matrix or not one.needs_matrix}


def _is_doubtful(dataset: str) -> bool:
    return catalog.is_noisy(dataset) or dataset not in catalog.ENTRIES


def offer_symmetric(dataset: str) -> None:
    """Draw a button that chooses symmetric noise, where a page needs some."""
    key = "added_noise" if _is_doubtful(dataset) else "noise"

    def choose() -> None:
        st.session_state[key] = "sym"

    st.button("Add symmetric noise", type="primary", on_click=choose)


def controls(form: Form, dataset: str) -> tuple[dict[str, Any], WannError | None, DeltaGenerator]:
    """The scenario's fields of the noise, what is wrong with them, and where to show it."""
    # Labels that may be wrong by themselves get no more noise unless somebody asks for it. This is
    # a control of its own, since a link leaves out what is a control's default.
    titles = {**pattern_titles(matrix=True), "none": "None"}
    doubtful = _is_doubtful(dataset)
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
        value=DEFAULT_RATIO,
        step=0.05,
        format="percent",
        disabled=pattern in ("none", "matrix"),
        help="Share of the labels that go wrong; under asymmetric noise, of the labels of those "
        "classes that are mistaken.",
    )
    fields = {
        "noise_pattern": None if pattern == "none" else pattern,
        "noise_ratio": ratio,
        "transition_matrix": matrix,
    }
    return fields, error, st.empty()


def draw(form: Form) -> str:
    """How the wrong labels are drawn."""
    chosen: str = form(
        st.segmented_control,
        "draw",
        "draw",
        options=list(DRAWS),
        default=DEFAULT_DRAW,
        format_func=DRAWS.__getitem__,
        required=True,
        help="Exact: each class pair gets the number of wrong labels that the pattern asks for, to "
        "within one row. As published: the draws of the paper's code, number for number.",
    )
    return chosen


def _matrix(form: Form) -> tuple[tuple[tuple[float, ...], ...] | None, WannError | None]:
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

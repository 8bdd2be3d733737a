"""The controls of the map, and the points that they leave to be drawn."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from ui.explore.map import windows
from ui.explore.map.reviews import DOUBTFUL, VERDICT, Values
from ui.shell import theme
from ui.shell.controls import linked
from ui.shell.settings import Settings
from wann_core.datasets.class_names import listed_order
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import point_values
from wann_core.explore.map import Layout
from wann_core.typing import Array

_LAYOUTS = {"umap": "UMAP", "pca": "PCA"}
_PARTS = {"train": "Training", "test": "Test"}
_COLORS = {
    "observed": "Observed label",
    "true": "True label",
    "flipped": "Flipped or not",
    "reliability": "Reliability",
    "adaptive_k": "Adaptive k",
    "agreement": "Vote agreement",
    "predicted-WANN": "WANN's prediction",
    DOUBTFUL: "Doubted by the audit",
    VERDICT: "Verdict of the review",
    "density": "Density",
}
BY_CLASS = ("observed", "true", "predicted-WANN")
# Classes that have a color each, beside the gray of the others.
_MOST_FOCUS = theme.CLASS_COLORS - 1
_MOST_K = 51


@dataclass(frozen=True)
class View:
    """What is asked of the map.

    Attributes
    ----------
    layout : {'umap', 'pca'}
    color : str
        As `point_values.values` names it, or 'density'.
    classes : tuple of int
        Observed labels to show; none means all.
    others : bool
        Whether the other classes stay, in gray.
    k_range : tuple of int
        Bounds of the adaptive k, which are those of the reliability.
    parts : tuple of {'train', 'test'}
    across, up : tuple of float
        Part of the map to show, in percent of its side.
    """

    layout: str
    color: str
    classes: tuple[int, ...]
    k_range: tuple[int, int]
    parts: tuple[str, ...]
    across: windows.Range
    up: windows.Range
    others: bool = False


@dataclass(frozen=True, eq=False)
class Points:
    """Rows to draw.

    Attributes
    ----------
    places : ndarray of shape (p,), int32
        Position among the training rows; test rows follow after the last of them.
    rows : ndarray of shape (p,), int64
        Row ids in the data set's own file.
    xy : ndarray of shape (p, 2), float32
    observed : ndarray of shape (p,), int64
    values : ndarray of shape (p,)
        What they are colored by; empty under 'density'.
    n_train : int
        Training rows of the data set: where the places of test rows begin.
    focus : tuple of int
        Classes that have colors, all others being gray; none means all.
    square : tuple of float
        Left, bottom and side of the whole map.
    window : tuple of float
        Left, right, bottom and top of the part shown.
    """

    places: Array
    rows: Array
    xy: Array
    observed: Array
    values: Array
    n_train: int
    square: windows.Square
    window: windows.Window
    focus: tuple[int, ...] = ()


def color_name(color: str, prepared: PreparedData) -> str:
    """What the points are colored by, as the control names it."""
    if color.startswith(point_values.CORRECT):
        known = judges_truth(prepared)
        method = color.removeprefix(point_values.CORRECT)
        return f"{method}: {'right or wrong' if known else 'agrees with the given label'}"
    return _COLORS[color]


def judges_truth(prepared: PreparedData) -> bool:
    """Whether what a method answers may be called right or wrong, on every row of the map."""
    return bool(prepared.truth_known and prepared.test_truth_known)


def controls(settings: Settings, prepared: PreparedData) -> View:
    """Draw the controls; all of them live in the URL."""
    names = prepared.dataset.class_names
    needed = () if prepared.truth_known else ("true", "flipped")
    colors = [color for color in _COLORS if color not in needed]
    colors += [point_values.CORRECT + name for name in settings.methods]
    with st.container(key="stacking_map_controls"):
        first, second, third = st.columns([2, 3, 2])
    layout = linked(
        first.segmented_control,
        "Layout",
        key="layout",
        options=list(_LAYOUTS),
        default="umap",
        format_func=_LAYOUTS.__getitem__,
        required=True,
    )
    color = linked(
        second.selectbox,
        "Color by",
        key="color",
        options=colors,
        format_func=partial(color_name, prepared=prepared),
        help="Of a test row, reliability and adaptive k are those of its nearest training row. "
        "Vote agreement: share of the k_max nearest training rows with the row's own label. "
        + (
            "Right or wrong: whether a method finds the true class; a training row has no vote on "
            "itself."
            if judges_truth(prepared)
            else "A training row has no vote on itself."
        ),
    )
    parts = ["train"]
    if not prepared.leave_one_out:
        parts = linked(
            third.segmented_control,
            "Rows",
            key="parts",
            options=list(_PARTS),
            default=["train"],
            format_func=_PARTS.__getitem__,
            selection_mode="multi",
        )
    with st.expander("Filter", icon=":material/filter_alt:", key="map_filters"):
        left, right = st.columns(2)
        classes = linked(
            left.multiselect,
            "Classes, by observed label",
            key="classes",
            options=list(listed_order(names)),
            default=[],
            placeholder="all",
            format_func=lambda c: names[c] if c < len(names) else str(c),
        )
        others = False
        if color in BY_CLASS and 0 < len(classes) <= _MOST_FOCUS:
            others = linked(left.toggle, "Keep the other classes, in gray", key="others")
        k_range = linked(
            right.slider,
            "Reliability 1/k, with k from … to",
            key="trust",
            min_value=1,
            max_value=_MOST_K,
            value=(1, _MOST_K),
            help="Reliability is one over the adaptive k: large k, little trust.",
        )
        across = linked(
            left.slider,
            "From left to right, %",
            key="across",
            min_value=0.0,
            max_value=100.0,
            value=windows.WHOLE,
            step=0.5,
        )
        up = linked(
            right.slider,
            "From bottom to top, %",
            key="up",
            min_value=0.0,
            max_value=100.0,
            value=windows.WHOLE,
            step=0.5,
        )
    return View(layout, color, tuple(classes), tuple(k_range), tuple(parts), across, up, others)


def points(
    view: View, prepared: PreparedData, layout: Layout, reviewed: Values | None = None
) -> Points:
    """The rows that pass the filters and lie in the part that is shown.

    Parameters
    ----------
    view : View
    prepared : PreparedData
    layout : Layout
    reviewed : dict, optional
        Codes of a coloring of the review, see `reviews.values`.
    """
    parts = {
        "train": (layout.train, prepared.row_ids, 0),
        "test": (layout.test, prepared.test_ids, len(prepared.row_ids)),
    }
    square = windows.square_of(layout)
    window = windows.window_of(view.across, view.up, square)
    k_low, k_high = view.k_range
    found: list[tuple[Array, ...]] = []
    for part in view.parts:
        xy, rows, first = parts[part]
        observed = point_values.values(prepared, part, "observed")
        keep = windows.within(xy, window)
        if view.classes and not view.others:
            keep &= np.isin(observed, view.classes)
        if (k_low, k_high) != (1, _MOST_K):
            k = point_values.values(prepared, part, "adaptive_k")
            keep &= (k_low <= k) & (k <= k_high)
        at = np.flatnonzero(keep)
        values = at[:0]
        if reviewed is not None:
            values = reviewed[part][at]
        elif view.color != "density":
            values = point_values.values(prepared, part, view.color)[at]
        found.append((at + first, rows[at], xy[at], observed[at], values))
    if not found:
        none = np.empty(0, np.int64)
        found = [(none, none, np.empty((0, 2), np.float32), none, none)]
    places, rows, xy, observed, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return Points(
        places.astype(np.int32),
        rows,
        xy,
        observed,
        values,
        len(prepared.row_ids),
        square,
        window,
        _focus(view, prepared),
    )


def rows(view: View, layout: Layout) -> int:
    """Number of rows of the chosen parts, whatever filters leave of them."""
    counts = {"train": len(layout.train), "test": len(layout.test)}
    return sum(counts[part] for part in view.parts)


def _focus(view: View, prepared: PreparedData) -> tuple[int, ...]:
    """The chosen classes, where others stay or share their colors; none where all have colors."""
    repeated = prepared.dataset.n_classes > theme.CLASS_COLORS
    focused = view.color in BY_CLASS and 0 < len(view.classes) <= _MOST_FOCUS
    return view.classes if focused and (view.others or repeated) else ()


def narrow(view: View, prepared: PreparedData) -> str:
    """A sentence on what is hidden, for where nothing is left."""
    reasons = []
    if not view.parts:
        reasons.append("neither training nor test rows are chosen")
    if view.classes and not view.others:
        names = prepared.dataset.class_names
        shown = ", ".join(theme.plain(names[c]) for c in view.classes[:5])
        more = f" and {len(view.classes) - 5} more" if len(view.classes) > 5 else ""
        reasons.append(f"only {shown}{more} are shown")
    if view.k_range != (1, _MOST_K):
        reasons.append("only adaptive k from {} to {}".format(*view.k_range))
    if not windows.is_whole(view.across, view.up):
        reasons.append("only a part of the map")
    return "; ".join(reasons)


def show_all() -> None:
    """Take all filters away."""
    st.session_state["parts"] = ["train"]
    st.session_state["classes"] = []
    st.session_state["others"] = False
    st.session_state["trust"] = (1, _MOST_K)
    windows.show_whole()


def reading(points: Points, layout: str, color: str, image: bool, rows: int) -> str:
    """How to read the map, whose whole has this number of rows."""
    how = (
        "UMAP keeps neighbors together; distances between groups, and how dense they are, mean "
        "little."
        if layout == "umap"
        else "PCA shows the two directions of the largest spread; rows that lie together here may "
        "be far apart in the others."
    )
    tests = " (test rows: hollow)" if (points.places >= points.n_train).any() else ""
    count = f"{len(points.places):,}{f' of {rows:,}' if len(points.places) < rows else ''} rows"
    what = f"{count}, each a point{tests}."
    if image:
        kind = "rows" if color == "density" else "the most frequent value or the mean"
        what = f"{count}, drawn as an image: each cell shows {kind}. Zoom in for points."
    if color in BY_CLASS and not image:
        what += " Color and shape of a mark stand for its class."
    if color in BY_CLASS and not points.focus:
        shown = len(np.unique(points.values))
        if shown > theme.CLASS_COLORS:
            what += (
                f" {theme.CLASS_COLORS} colors stand for {shown} classes: choose up to "
                f"{_MOST_FOCUS} under “Filter”, and each has a color of its own."
            )
    return f"{what} {how} The axes have no unit. Drag to choose, turn the wheel to zoom."


def table(points: Points, color: str) -> pd.DataFrame:
    """split, row, x, y and the value of each point."""
    test = points.places >= points.n_train
    value = {} if color == "density" else {color: points.values}
    return pd.DataFrame(
        {
            "split": np.where(test, "test", "train"),
            "row": points.rows,
            "x": points.xy[:, 0],
            "y": points.xy[:, 1],
            **value,
        }
    )

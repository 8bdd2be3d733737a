"""The part of the map that is in view: zoomed to, widened, and which rows lie in it."""

import numpy as np
import streamlit as st

from wann_core.explore.map import Layout
from wann_core.typing import Array

Range = tuple[float, float]  # of a side of the map, in percent
Square = tuple[float, float, float]  # left, bottom and side of the whole map
Window = tuple[float, float, float, float]  # left, right, bottom and top of the part in view

WHOLE: Range = (0.0, 100.0)
_MARGIN = 1.03  # half the side of the square over the reach of the points


def show_whole() -> None:
    """Zoom out."""
    st.session_state["across"] = st.session_state["up"] = WHOLE


def zoom(xy: Array, square: Square) -> None:
    """Narrow the view to these positions, as a square."""
    left, bottom, side = square
    share = 100 * (xy - [left, bottom]) / side
    middle = (share.min(axis=0) + share.max(axis=0)) / 2
    half = max(float(np.ptp(share, axis=0).max()) / 2 * _MARGIN, 0.5)
    for key, center in zip(("across", "up"), middle, strict=True):
        low, high = (np.clip(round(2 * (center + s)) / 2, *WHOLE) for s in (-half, half))
        st.session_state[key] = (float(low), float(high))


def show_part(ends: Array, square: Square) -> None:
    """Narrow or widen the view to a part.

    Parameters
    ----------
    ends : ndarray of shape (2, 2)
        Both ends across, and up, in the layout's own units.
    square : tuple of float
        As of `Points`.
    """
    left, bottom, side = square
    share = 100 * (np.sort(ends, axis=1) - [[left], [bottom]]) / side
    for key, (low, high) in zip(("across", "up"), np.clip(share, *WHOLE), strict=True):
        # In steps of the controls, outward.
        ends_of = np.clip([np.floor(2 * low) / 2, np.ceil(2 * high) / 2], *WHOLE)
        st.session_state[key] = (float(ends_of[0]), float(ends_of[1]))


def is_whole(across: Range, up: Range) -> bool:
    """Whether the whole map is in view."""
    return (across, up) == (WHOLE, WHOLE)


def square_of(layout: Layout) -> Square:
    """The square that holds all rows of a layout, with a margin."""
    both = np.concatenate([layout.train, layout.test])
    low, high = both.min(axis=0), both.max(axis=0)
    half = _MARGIN * float((high - low).max() or 1) / 2
    center = (low + high) / 2
    return float(center[0] - half), float(center[1] - half), 2 * half


def window_of(across: Range, up: Range, square: Square) -> Window:
    """The part of a square that is in view, in the layout's own units."""
    left, bottom, side = square
    (x0, x1), (y0, y1) = across, up
    ends = (left + side * x0 / 100, left + side * x1 / 100)
    return (*ends, bottom + side * y0 / 100, bottom + side * y1 / 100)


def within(xy: Array, window: Window) -> Array:
    """Which positions lie in a window."""
    x0, x1, y0, y1 = window
    x, y = xy.T
    return np.asarray((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1))

"""Names of classes on the map, each where most of its points lie."""

from typing import Any

import numpy as np

from ui.charts.short_names import apart
from ui.explore.map.colors import Kinds
from ui.explore.map.views import Points
from ui.shell import theme
from wann_core.typing import Array

_MOST = 24  # classes in view, beyond which names would hide the points
_LETTERS = 22
_SIDE = 24  # cells along each side, one of which is where most of a class lies
# Of a name, in shares of the chart: one that would cover another moves up or down by its height.
_LETTER, _LINE = 0.008, 0.035


def annotations(points: Points, kinds: Kinds) -> list[dict[str, Any]]:
    """Plotly's annotations: the name of each class in view, at its densest place.

    Parameters
    ----------
    points : Points
        Whose values are codes of `kinds`.
    kinds : Kinds

    Returns
    -------
    list of dict
        Empty where too many classes are in view.
    """
    codes = points.values.astype(np.int64)
    counts = np.bincount(codes, minlength=len(kinds.names))
    named = [c for c in (kinds.on_top or range(len(kinds.names))) if counts[c]]
    if len(named) > _MOST:
        return []
    x0, x1, y0, y1 = points.window
    span = np.array([x1 - x0 or 1, y1 - y0 or 1])
    shares = (points.xy - [x0, y0]) / span
    placed: list[tuple[float, float, float]] = []
    found = []
    short = apart(tuple(kinds.names), _LETTERS)
    for code in sorted(named, key=lambda c: (-counts[c], c)):
        text = short[kinds.names[code]]
        x, y = _densest(shares[codes == code])
        y = _free(x, y, _LETTER * len(text) / 2, placed)
        placed.append((x, y, _LETTER * len(text) / 2))
        found.append(
            {
                "x": float(x0 + x * span[0]),
                "y": float(y0 + y * span[1]),
                "text": theme.charted(text),
                "showarrow": False,
                # A halo in the color that its own stands out from.
                "font": {"size": 14, "weight": 600, "shadow": "auto"},
            }
        )
    return found


def _densest(shares: Array) -> tuple[float, float]:
    """Mean of the points in the fullest cell."""
    column, row = np.clip((shares * _SIDE).astype(np.int64), 0, _SIDE - 1).T
    cell = row * _SIDE + column
    x, y = shares[cell == np.bincount(cell).argmax()].mean(axis=0)
    return float(x), float(y)


def _free(x: float, y: float, half: float, placed: list[tuple[float, float, float]]) -> float:
    """The height nearest to y at which a name covers none that is there."""
    for step in (0, 1, -1, 2, -2, 3, -3):
        at = y + step * _LINE
        if all(
            abs(at - other_y) > 0.99 * _LINE or abs(x - other_x) >= half + other
            for other_x, other_y, other in placed
        ):
            return at
    return y

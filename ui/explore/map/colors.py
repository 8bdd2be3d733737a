"""How values become colors on the map: palettes for classes and kinds, scales for numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ui.charts.short_names import apart
from ui.explore.map.reviews import DOUBTFUL, VERDICT
from ui.explore.map.views import BY_CLASS, color_name, judges_truth
from ui.shell import theme
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import point_values
from wann_core.typing import Array

# Little to much; both ends and the middle reach a contrast of 3 on light and on dark.
_SCALE = [[0, "#D55E00"], [0.5, "#8A8F98"], [1, "#0072B2"]]
_BESIDE = 24  # characters of a class beside "and 8 more"
_APART = "#B08A3C"  # rows that are none of the kinds
_LOGARITHMIC = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000]


@dataclass(frozen=True)
class Kinds:
    """A palette: values are codes.

    Attributes
    ----------
    names, colors : sequence of str
        Of each code.
    on_top : tuple of int
        Codes that others must not hide.
    """

    names: Sequence[str]
    colors: Sequence[str]
    on_top: tuple[int, ...] = ()

    def symbol(self, code: int) -> str:
        """Plotly marker symbol of a code; classes without a color of their own share one."""
        faded = bool(self.on_top) and self.colors[code] == theme.OTHERS
        return theme.class_symbol(0 if faded else code)

    def scale(self) -> tuple[list[list[Any]], Array]:
        """Plotly's color scale in steps of equal width, and the step of each code."""
        distinct = list(dict.fromkeys(self.colors))
        ends = np.linspace(0, 1, len(distinct) + 1)
        steps = [
            [float(end), color]
            for color, pair in zip(distinct, pairwise(ends), strict=True)
            for end in pair
        ]
        return steps, np.array([distinct.index(color) for color in self.colors], np.uint8)


@dataclass(frozen=True)
class Scale:
    """A color scale: values are numbers.

    Attributes
    ----------
    title : str
        Of the color bar.
    low, high : float
        Values of the first and the last color.
    ticks : dict
        Of the color bar, in Plotly's terms.
    """

    title: str
    low: float
    high: float
    ticks: dict[str, Any]

    def axis(self) -> dict[str, Any]:
        """Plotly's color axis."""
        place = {"thickness": 12, "lenmode": "pixels", "len": 300, "y": 1, "yanchor": "top"}
        bar = {"title": {"text": self.title, "side": "right"}, **place, **self.ticks}
        return {"cmin": self.low, "cmax": self.high, "colorscale": _SCALE, "colorbar": bar}


def of(color: str, prepared: PreparedData, focus: tuple[int, ...] = ()) -> Kinds | Scale:
    """The palette or scale of a coloring; of classes, those in `focus` alone have colors."""
    names = prepared.dataset.class_names
    if color in BY_CLASS:
        if not focus:
            return Kinds(names, [theme.class_color(c) for c in range(len(names))])
        colors = theme.class_colors(focus, besides=(theme.OTHERS,))
        each = [colors.get(c, theme.OTHERS) for c in range(len(names))]
        return Kinds(names, each, on_top=focus)
    if color == DOUBTFUL:
        # Neighbors alone judge the labels as they are now; test rows only vote on methods.
        kinds = ("not doubted", "doubted by the audit", "test row, not judged")
        return Kinds(kinds, (theme.CLEAN, theme.FLIPPED, _APART), on_top=(1,))
    if color == VERDICT:
        verdicts = theme.VERDICTS
        codes = tuple(range(1, 1 + len(verdicts)))
        return Kinds(("no verdict", *verdicts), (theme.CLEAN, *verdicts.values()), on_top=codes)
    if color == "flipped":
        return Kinds(("right label", "flipped"), (theme.CLEAN, theme.FLIPPED), on_top=(1,))
    if color.startswith(point_values.CORRECT):
        method = color.removeprefix(point_values.CORRECT)
        names = (f"{method} is wrong", "right")
        if not judges_truth(prepared):
            names = (f"{method} disagrees with the given label", "agrees")
        return Kinds(names, (theme.color(method), theme.CLEAN), on_top=(0,))
    k_min, k_max = prepared.k_bounds
    if color == "reliability":
        shown = sorted({k_min, (k_min + k_max) // 2, k_max})
        ticks = {"tickvals": [1 / k for k in shown], "ticktext": [f"1/{k}" for k in shown]}
        return Scale("reliability", 1 / k_max, 1 / k_min, ticks)
    if color == "adaptive_k":
        return Scale(color_name(color, prepared), k_min, k_max, {})
    return Scale("agreement, %", 0, 100, {})


def density_scale(most: int) -> Scale:
    """The scale of rows a cell, whose values are logarithms."""
    shown = [n for n in _LOGARITHMIC if n <= most]
    ticks = {"tickvals": np.log10(shown).tolist(), "ticktext": [f"{n:,}" for n in shown]}
    return Scale("rows a cell", 0, float(np.log10(max(most, 2))), ticks)


def numbers(color: str, values: Array) -> Array:
    """The values as the scale of a coloring counts them."""
    return 100 * values if color == "agreement" else values


def legend(kinds: Kinds, present: Sequence[int]) -> list[tuple[str, str, str]]:
    """Name, color and symbol of each legend entry; one a color where classes share them."""
    if kinds.on_top and theme.OTHERS in kinds.colors:  # of classes, those in focus
        named = [_entry(kinds, code) for code in kinds.on_top if code in present]
        rest = [("other classes", theme.OTHERS, theme.class_symbol(0))]
        return [*named, *(rest if len(named) < len(present) else [])]
    if len(present) <= 2 * theme.CLASS_COLORS:
        return [_entry(kinds, code) for code in present]
    groups: dict[str, list[str]] = {}
    for code in present:
        groups.setdefault(kinds.colors[code], []).append(kinds.names[code])
    short = apart(tuple(kinds.names), _BESIDE)
    return [
        (
            f"{short[members[0]]} and {len(members) - 1} more" if len(members) > 1 else members[0],
            color,
            theme.class_symbol(0),
        )
        for color, members in groups.items()
    ]


def _entry(kinds: Kinds, code: int) -> tuple[str, str, str]:
    return kinds.names[code], kinds.colors[code], kinds.symbol(code)

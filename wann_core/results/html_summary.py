"""A comparison on one page: settings, curves and tables as one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wann_core import html_page
from wann_core.html_page import escaped
from wann_core.results.table import FIELDS, Pivot
from wann_core.results.text import UNCONVERGED, caption, number

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 150, 16, 48  # room for numbers, names and titles
_TICKS = 6
_BETWEEN_NAMES = 15
_OTHER = ("#7A7F87", "")


@dataclass(frozen=True)
class Curves:
    """Numbers along an axis, a line a method.

    Attributes
    ----------
    title, x_title, y_title : str
    data : DataFrame
        Columns method_name, x, y, low and high; NaN bounds are not drawn.
    zero : bool
        Whether a line marks zero.
    logarithmic, falling : bool
        Of the axis.
    note : str
        How to read it.
    """

    title: str
    x_title: str
    y_title: str
    data: pd.DataFrame
    note: str = ""
    zero: bool = False
    logarithmic: bool = False
    falling: bool = False


def comparison_html(
    title: str,
    settings: Mapping[str, object],
    curves: Sequence[Curves],
    table: pd.DataFrame,
    notes: Sequence[str] = (),
    styles: Mapping[str, tuple[str, str]] | None = None,
) -> str:
    """Write a comparison of methods along an axis as HTML.

    Parameters
    ----------
    title : str
    settings : mapping of str to object
        What all runs share; what is None is left out.
    curves : sequence of Curves
    table : DataFrame
        Columns method_name, x, mean, std and seeds; of shares of 1.
    notes : sequence of str
    styles : mapping of str to (str, str), optional
        Color and SVG dash pattern of each method.

    Returns
    -------
    str
        Every text is escaped, and no script is allowed to run.
    """
    parts = []
    for one in curves:
        parts.append(f"<h2>{escaped(one.title)}</h2>{_chart(one, styles or {})}")
        parts.append(f'<p class="small">{escaped(one.note, 1000)}</p>')
    parts.append(f"<h2>Numbers</h2>{_numbers(table, curves[0].x_title)}")
    parts += [f'<p class="small">{escaped(note, 1000)}</p>' for note in notes]
    parts.append(f"<h2>Settings</h2>{_settings(settings)}")
    return html_page.page(title, parts)


def pivots_html(made: Sequence[Pivot], title: str, notes: Sequence[str] = ()) -> str:
    """Write pivot tables as HTML: the best bold, those level with it marked ≈."""
    parts = [f"<h2>{escaped(caption(one, title), 1000)}</h2>{_pivot(one)}" for one in made]
    parts += [f'<p class="small">{escaped(note, 1000)}</p>' for note in notes]
    return html_page.page(title, parts)


def _pivot(one: Pivot) -> str:
    found = {(c[one.rows], c[one.columns]): c for c in one.cells.to_dict("records")}
    body = ""
    for row in one.row_names:
        cells = ""
        for column in one.column_names:
            c = found.get((row, column))
            text = "–"
            if c is not None:
                text = f"{number(c['mean'], c['std'])} (n={c['seeds']})"
                text += f"{UNCONVERGED if c['unconverged'] else ''}{' ≈' if c['level'] else ''}"
                text = f"<b>{text}</b>" if c["best"] else text
            cells += f'<td class="n">{text}</td>'
        body += f"<tr><th>{escaped(row)}</th>{cells}</tr>"
    head = "".join(f'<th class="n">{escaped(name)}</th>' for name in one.column_names)
    first = escaped(FIELDS[one.rows])
    return f'<div class="wide"><table><tr><th>{first}</th>{head}</tr>{body}</table></div>'


def _numbers(table: pd.DataFrame, x_title: str) -> str:
    best = table.groupby("x")["mean"].transform("max")
    cells = {
        (name, x): (number(mean, std), mean == most)
        for name, x, mean, std, most in zip(
            *(table[column].tolist() for column in ("method_name", "x", "mean", "std")),
            best.tolist(),
            strict=True,
        )
    }
    places = sorted(set(table["x"]))
    body = ""
    for name in dict.fromkeys(table["method_name"]):
        line = ""
        for x in places:
            text, won = cells.get((name, x), ("–", False))
            line += f'<td class="n">{f"<b>{text}</b>" if won else text}</td>'
        body += f"<tr><th>{escaped(name)}</th>{line}</tr>"
    head = "".join(f'<th class="n">{x:g}</th>' for x in places)
    return (
        f'<div class="wide"><table><tr><th>{escaped(x_title)}</th>{head}</tr>{body}</table></div>'
    )


def _settings(settings: Mapping[str, object]) -> str:
    body = "".join(
        f"<tr><th>{escaped(name)}</th><td>{escaped(value, 1000)}</td></tr>"
        for name, value in settings.items()
        if value is not None
    )
    return f"<table>{body}</table>"


def _chart(one: Curves, styles: Mapping[str, tuple[str, str]]) -> str:
    x, values = one.data["x"].to_numpy(float), one.data[["y", "low", "high"]].to_numpy(float)
    low, high = np.nanmin(values), np.nanmax(values)
    if one.zero:
        low, high = min(low, 0.0), max(high, 0.0)
    ticks = _round_numbers(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def down(y: float) -> float:
        return _TOP + float(high - y) / ((high - low) or 1) * (_HEIGHT - _TOP - _BOTTOM)

    place = np.log if one.logarithmic else np.asarray
    ends = np.sort(place(np.array([x.min(), x.max()])))

    def across(value: float) -> float:
        share = (float(place(np.float64(value))) - ends[0]) / ((ends[1] - ends[0]) or 1)
        return _LEFT + float(1 - share if one.falling else share) * (_WIDTH - _LEFT - _RIGHT)

    drawn = [
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{down(t):.1f}" y2="{down(t):.1f}" '
        f'stroke="currentColor" stroke-opacity="{0.6 if one.zero and t == 0 else 0.15}"/>'
        f'<text x="{_LEFT - 6}" y="{down(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in ticks
    ]
    drawn += [
        f'<text x="{across(v):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{v:g}</text>'
        for v in _some(sorted(set(x.tolist())))
    ]
    names = []
    for name, rows in one.data.groupby("method_name", sort=False):
        color, dash = styles.get(str(name).partition(" (")[0], _OTHER)
        dots = [(across(a), down(b)) for a, b in zip(rows["x"], rows["y"], strict=True)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in dots)
        drawn.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5" '
            f'stroke-dasharray="{dash}"/>'
        )
        for (at, y), (a, b) in zip(
            dots, rows[["low", "high"]].to_numpy(float).tolist(), strict=True
        ):
            if not np.isnan(a):
                drawn.append(
                    f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{down(a):.1f}" y2="{down(b):.1f}" '
                    f'stroke="{color}" stroke-width="1.5"/>'
                )
            drawn.append(f'<circle cx="{at:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>')
        names.append((max(dots)[1], str(name), color))
    drawn += _names(names)
    middle = _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
    drawn.append(
        f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escaped(one.x_title)}</text>'
        f'<text transform="translate(12 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        f"{escaped(one.y_title)}</text>"
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" font-size="12" fill="currentColor" role="img" '
        f'aria-label="{escaped(one.title)}">{"".join(drawn)}</svg>'
    )


def _names(ends: list[tuple[float, str, str]]) -> list[str]:
    """Each method's name where its line ends, none above another."""
    drawn, last = [], -np.inf
    for y, name, color in sorted(ends):
        last = max(y + 4, last + _BETWEEN_NAMES)
        drawn.append(
            f'<circle cx="{_WIDTH - _RIGHT + 14}" cy="{last - 4:.1f}" r="4" fill="{color}"/>'
            f'<text x="{_WIDTH - _RIGHT + 24}" y="{last:.1f}">{escaped(name, 22)}</text>'
        )
    return drawn


def _some(values: list[float]) -> list[float]:
    """At most about ten of them."""
    return values[:: -(-len(values) // 10)]


def _round_numbers(low: float, high: float) -> list[float]:
    """Round numbers around a range, about six of them.

    Examples
    --------
    >>> _round_numbers(31.0, 97.0)
    [20.0, 40.0, 60.0, 80.0, 100.0]
    """
    rough = max(high - low, 1e-9) / (_TICKS - 1)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    first, last = np.floor(low / step), np.ceil(high / step)
    return [round(float(n * step), 10) for n in np.arange(first, last + 1)]

"""The charts of the reliability page."""

from typing import Any

import numpy as np
import pandas as pd

from ui.charts.charts import Figure, framed
from ui.shell import theme
from wann_core.explore.detection import Detection

NAMES = {
    "eta": "reliability η",
    "vote_share": "vote share",
    "eta_share": "η × vote share",
    "neighbors": "audit's neighbors",
}
_LINES = {
    "eta": ("#1870F8", "solid"),
    "vote_share": ("#F06068", "dash"),
    "eta_share": ("#287058", "dot"),
    "neighbors": ("#B048D0", "dashdot"),
}
_FEW = 60  # thresholds up to which each has its mark
_GROUPS = 3  # of adaptive k strictly between its bounds


def distribution(data: pd.DataFrame) -> Figure:
    """Share of the labels of each kind at each reliability, least reliable first."""
    traces = []
    kinds = {"all": theme.CLEAN, "clean": theme.CLEAN, "flipped": theme.FLIPPED}
    for kind, fill in kinds.items():
        rows = data[(data["kind"] == kind) & data["share"].notna()]
        if not len(rows):
            continue
        traces.append(
            {
                "type": "bar",
                "name": f"{kind} labels ({rows['rows'].sum():,})",
                "x": [f"1/{k}" for k in rows["adaptive_k"]],
                "y": (100 * rows["share"]).to_list(),
                "customdata": np.column_stack([rows["rows"], rows["reliability"]]).tolist(),
                "marker": {"color": fill},
                "hovertemplate": f"η = %{{x}} = %{{customdata[1]:.3f}}: %{{y:.1f}} % of the {kind} "
                "labels, %{customdata[0]:,} rows<extra></extra>",
            }
        )
    return framed(
        traces,
        "reliability η of the given label",
        f"share of {'all' if (data['kind'] == 'all').any() else 'clean or flipped'} labels, %",
        xaxis={"type": "category"},
    )


def by_class(data: pd.DataFrame, k_min: int, k_max: int) -> Figure:
    """Stacked shares of groups of adaptive k for each given label."""
    values = np.unique(data["adaptive_k"])
    inner = values[(values > k_min) & (values < k_max)]
    groups = [values[values == k_min], *np.array_split(inner, _GROUPS)]
    if k_max > k_min:
        groups.append(values[values == k_max])
    traces = []
    for place, group in enumerate(groups):
        if not len(group):
            continue
        low, high = group[0], group[-1]
        name = f"k = {low}" if low == high else f"k = {low}–{high}"
        last = low == k_max > k_min
        rows = data[data["adaptive_k"].isin(group)]
        shares = rows.groupby("given_label_id")["share"].sum(min_count=1)
        names = rows.drop_duplicates("given_label_id")["given_label"]
        traces.append(
            {
                "type": "bar",
                "name": f"{name} (upper bound)" if last else name,
                "x": names.map(theme.charted).to_list(),
                "y": (100 * shares).to_list(),
                "marker": {"color": _group_color(place, last)},
                "hovertemplate": f"%{{x}}: %{{y:.1f}} % of its labels have {name}<extra></extra>",
            }
        )
    return framed(
        traces,
        "given label",
        "share of its labels, %",
        barmode="stack",
        bargap=0.15,
        xaxis={"type": "category"},
        yaxis={"range": [0, 100]},
    )


def _group_color(place: int, last: bool) -> str:
    return "#B07F28" if last else f"rgba(61, 143, 198, {1 - 0.15 * place:.2f})"


def roc(found: Detection) -> Figure:
    """True against false positive rate of each score; straight between thresholds."""
    traces = [
        {
            **_line(found, name, "auroc", "AUROC"),
            "x": (100 * rows["false_positive_rate"]).to_list(),
            "y": (100 * rows["recall"]).to_list(),
            "customdata": rows["listed"].to_list(),
            "hovertemplate": f"{NAMES[name]}: of the %{{customdata:,}} most doubtful labels, "
            "%{y:.1f} % of the flipped, %{x:.1f} % of the right<extra></extra>",
        }
        for name, rows in _by_score(found)
    ]
    guessing = {
        "type": "line",
        "x0": 0,
        "y0": 0,
        "x1": 100,
        "y1": 100,
        "line": {"width": 1.5, "dash": "dot", "color": theme.CLEAN},
    }
    return framed(
        traces,
        "false positive rate: right labels listed, %",
        "recall: flipped labels found, %",
        height=460,
        shapes=[guessing],
        xaxis={"range": [-1, 101]},
        yaxis={"range": [-1, 101]},
    )


def precision_recall(found: Detection) -> Figure:
    """Precision against recall of each score, in steps; the base rate as a line."""
    traces = []
    for name, rows in _by_score(found):
        line = _line(found, name, "average_precision", "AP")
        precision = 100 * rows["precision"].bfill()  # the first step is as high as its end
        traces.append(
            {
                **line,
                # Up or down first: a step has the precision of the threshold at its end.
                "line": {**line["line"], "shape": "vh"},
                "x": (100 * rows["recall"]).to_list(),
                "y": precision.to_list(),
                "customdata": rows["listed"].to_list(),
                "hovertemplate": f"{NAMES[name]}: of the %{{customdata:,}} most doubtful labels "
                "%{y:.1f} % are flipped, %{x:.1f} % of all flipped<extra></extra>",
            }
        )
    base = 100 * found.base_rate
    line = {
        "type": "line",
        "x0": 0,
        "y0": base,
        "x1": 100,
        "y1": base,
        "line": {"width": 1.5, "dash": "dot", "color": theme.CLEAN},
    }
    label = {
        "x": 0,
        "y": base,
        "text": f"base rate {base:.1f} %",
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "bottom" if base < 50 else "top",
    }
    return framed(
        traces,
        "recall: flipped labels found, %",
        "precision: flipped among the listed, %",
        height=460,
        shapes=[line],
        annotations=[label],
        xaxis={"range": [-1, 101]},
        yaxis={"range": [-1, 101]},
    )


def _by_score(found: Detection) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), rows) for name, rows in found.curves.groupby("score", sort=False)]


def _line(found: Detection, name: str, column: str, short: str) -> dict[str, Any]:
    fill, dash = _LINES[name]
    area = float(found.areas.set_index("score")[column][name])
    few = (found.curves["score"] == name).sum() <= _FEW
    return {
        "type": "scatter",
        "name": f"{NAMES[name]}: {short} {area:.3f}",
        "mode": "lines+markers" if few else "lines",
        "line": {"color": fill, "dash": dash, "width": 2.5},
        "marker": {"color": fill, "size": 7},
    }


def heights(rows: int) -> int:
    """Height in pixels of a heatmap with this many rows."""
    return int(np.clip(130 + 26 * rows, 400, 760))

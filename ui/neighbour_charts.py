"""The charts of one neighbourhood: votes by class, and shares as it grows."""

import pandas as pd

from ui import look
from ui.charts import Figure, framed

_MOST_CURVES = 5


def votes(data: pd.DataFrame) -> Figure:
    """Stacked bars: the votes of each method by class.

    Parameters
    ----------
    data : DataFrame
        Columns method_name, class_id, class_name, share.
    """
    methods = list(dict.fromkeys(data["method_name"]))
    traces = []
    for class_id, rows in data[data["share"] > 0].groupby("class_id"):
        name, fill = rows["class_name"].iloc[0], look.class_color(int(class_id))
        label = f"class {name}:" if name.isdigit() else f"{name}:"
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": rows["method_name"].to_list(),
                "x": (100 * rows["share"]).to_list(),
                "name": name,
                "marker": {"color": fill},
                "insidetextfont": {"color": look.text_on(fill)},
                "text": [f"{label} {100 * s:.0f} %" if s > 0.1 else "" for s in rows["share"]],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "hovertemplate": f"%{{y}}: %{{x:.1f}} % for {name}<extra></extra>",
            }
        )
    return framed(
        traces, "share of the votes, %", "", height=90 + 44 * len(methods), barmode="stack",
        xaxis={"range": [0, 100]},
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": methods[::-1]},
    )  # fmt: skip


def share_curves(data: pd.DataFrame, adaptive_k: int) -> Figure:
    """Share of the largest classes as k grows, plain and weighted.

    Parameters
    ----------
    data : DataFrame
        Columns k, class_id, class_name, share, weighted_share.
    """
    traces = []
    means = data.groupby("class_id")[["share", "weighted_share"]].mean().max(axis=1)
    for class_id in means[means > 0].nlargest(_MOST_CURVES).index:
        rows = data[data["class_id"] == class_id]
        name, fill = rows["class_name"].iloc[0], look.class_color(int(class_id))
        for column, dash, kind in (
            ("share", "solid", "equal votes"),
            ("weighted_share", "dot", "weighted"),
        ):
            traces.append(
                {
                    "type": "scatter",
                    "x": rows["k"].to_list(),
                    "y": (100 * rows[column]).to_list(),
                    "mode": "lines",
                    "name": name,
                    "legendgroup": name,
                    "showlegend": dash == "solid",
                    "line": {"color": fill, "dash": dash, "width": 2.5},
                    "hovertemplate": f"{name}, k = %{{x}}: %{{y:.1f}} % ({kind})<extra></extra>",
                }
            )
    upright = {
        "type": "line", "x0": adaptive_k, "x1": adaptive_k, "yref": "paper", "y0": 0, "y1": 1,
        "line": {"width": 2, "dash": "dash", "color": look.color("WANN")},
    }  # fmt: skip
    label = {
        "x": adaptive_k, "y": 1, "yref": "paper", "text": f"k = {adaptive_k}",
        "showarrow": False, "xanchor": "left", "yanchor": "bottom",
    }  # fmt: skip
    return framed(
        traces, "neighbours that vote, k", "share of the votes, %",
        shapes=[upright], annotations=[label], yaxis={"range": [0, 102]},
    )  # fmt: skip

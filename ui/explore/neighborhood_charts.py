"""The charts of one neighborhood: votes by class, and shares as it grows."""

from collections.abc import Mapping

import pandas as pd

from ui.charts.charts import Figure, framed
from ui.shell import theme

_MOST_CURVES = 5
_MARKS = 10  # of a curve
_MOST_VOTED = 9  # classes with a color of their own in the bars of votes


def by_share(data: pd.DataFrame) -> list[int]:
    """Classes that have votes at some k, those with the largest mean share first.

    Parameters
    ----------
    data : DataFrame
        Columns class_id, share, weighted_share.
    """
    means = data.groupby("class_id")[["share", "weighted_share"]].mean().max(axis=1)
    return [int(c) for c in means[means > 0].sort_values(ascending=False, kind="stable").index]


def drawn(votes: pd.DataFrame, shares: pd.DataFrame) -> list[int]:
    """Classes of the bars and of the curves, as `votes` and `share_curves` take them."""
    return list(dict.fromkeys([*_voted(votes), *by_share(shares)[:_MOST_CURVES]]))


def _voted(data: pd.DataFrame) -> list[int]:
    """Classes with a bar of their own: those that some method gives the largest shares."""
    voted = data[data["share"] > 0]
    largest = voted.groupby("class_id")["share"].max().sort_values(ascending=False, kind="stable")
    most = _MOST_VOTED if len(largest) > _MOST_VOTED + 1 else None
    return sorted(int(c) for c in largest.index[:most])


def votes(data: pd.DataFrame, colors: Mapping[int, str]) -> Figure:
    """Stacked bars: the votes of each method by class, those with the fewest votes together.

    Parameters
    ----------
    data : DataFrame
        Columns method_name, class_id, class_name, share.
    colors : mapping
        Color of each class.
    """
    methods = list(dict.fromkeys(data["method_name"]))
    traces = []
    voted, own = data[data["share"] > 0], _voted(data)
    bars: list[tuple[str, str, pd.DataFrame]] = [
        (theme.charted(rows["class_name"].iloc[0]), colors[class_id], rows)
        for class_id in own
        for rows in [voted[voted["class_id"] == class_id]]
    ]
    rest = voted[~voted["class_id"].isin(own)]
    if len(rest):
        summed = rest.groupby("method_name", sort=False, as_index=False)[["share"]].sum()
        bars.append((f"{rest['class_id'].nunique()} other classes", theme.OTHERS, summed))
    for name, fill, rows in bars:
        label = f"class {name}:" if name.isdigit() else f"{name}:"
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": rows["method_name"].to_list(),
                "x": (100 * rows["share"]).to_list(),
                "name": name,
                "marker": {"color": fill},
                "insidetextfont": {"color": theme.text_on(fill)},
                "text": [f"{label} {100 * s:.0f} %" if s > 0.1 else "" for s in rows["share"]],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "hovertemplate": f"%{{y}}: %{{x:.1f}} % for {name}<extra></extra>",
            }
        )
    return framed(
        traces,
        "share of the votes, %",
        "",
        height=90 + 44 * len(methods) + 14 * len(traces),  # the legend grows with its entries
        barmode="stack",
        xaxis={"range": [0, 100]},
        # Text that does not fit is left out: the tooltip has it.
        uniformtext={"minsize": 11, "mode": "hide"},
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": methods[::-1]},
    )


def share_curves(data: pd.DataFrame, adaptive_k: int, colors: Mapping[int, str]) -> Figure:
    """Share of the largest classes as k grows, plain and weighted.

    Parameters
    ----------
    data : DataFrame
        Columns k, class_id, class_name, share, weighted_share.
    adaptive_k : int
        Where the upright line stands.
    colors : mapping
        Color of each class.
    """
    traces = []
    for class_id in by_share(data)[:_MOST_CURVES]:
        rows = data[data["class_id"] == class_id]
        name, fill = theme.charted(rows["class_name"].iloc[0]), colors[class_id]
        for column, dash, kind in (
            ("share", "solid", "equal votes"),
            ("weighted_share", "dot", "weighted"),
        ):
            traces.append(
                {
                    "type": "scatter",
                    "x": rows["k"].to_list(),
                    "y": (100 * rows[column]).to_list(),
                    # Beside the color, for five of twelve may be near each other; as on the map.
                    "mode": "lines+markers" if dash == "solid" else "lines",
                    "marker": {
                        "color": fill,
                        "symbol": theme.class_symbol(class_id),
                        "size": 9,
                        "maxdisplayed": _MARKS,
                    },
                    "name": name,
                    "legendgroup": str(class_id),
                    "showlegend": dash == "solid",
                    "line": {"color": fill, "dash": dash, "width": 2.5},
                    "hovertemplate": f"{name}, k = %{{x}}: %{{y:.1f}} % ({kind})<extra></extra>",
                }
            )
    upright = {
        "type": "line",
        "x0": adaptive_k,
        "x1": adaptive_k,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"width": 2, "dash": "dash", "color": theme.color("WANN")},
    }
    label = {
        "x": adaptive_k,
        "y": 0.5,
        "yref": "paper",
        "text": f"k = {adaptive_k}",
        "showarrow": False,
        "xanchor": "left",
    }
    return framed(
        traces,
        "neighbors that vote, k",
        "share of the votes, %",
        shapes=[upright],
        annotations=[label],
        yaxis={"range": [0, 102]},
    )

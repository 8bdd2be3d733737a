"""Charts of the Probes page: training epoch by epoch, recall class by class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ui.charts.charts import Figure, framed, method_line
from ui.shell import theme

MEASURES = {
    "test_accuracy": "Clean test accuracy",
    "val_accuracy": "Noisy validation accuracy",
    "train_loss": "Training loss",
}


def measure_name(measure: str, truth_known: bool) -> str:
    """What is drawn along the epochs; the labels of test rows may be of unknown truth."""
    if measure == "test_accuracy" and not truth_known:
        return "Agreement with the given test labels"
    return MEASURES[measure]


def training(epochs: pd.DataFrame, measure: str, best: dict[str, int], truth_known: bool) -> Figure:
    """One line a loss along the epochs; a large mark at the epoch that was kept.

    Parameters
    ----------
    epochs : DataFrame
        loss, epoch, and the measures as shares of 1 (the loss as it is).
    measure : str
        One of `MEASURES`.
    best : dict
        Kept epoch of each loss that has ended.
    truth_known : bool
        Whether the labels of the test rows are true.
    """
    scale = 1 if measure == "train_loss" else 100
    traces = []
    for name, rows in epochs.groupby("loss", sort=False):
        line = method_line(str(name))
        kept = best.get(str(name))
        sizes = [13 if epoch == kept else 4 for epoch in rows["epoch"]]
        traces.append(
            {
                **line,
                "x": rows["epoch"].to_list(),
                "y": (scale * rows[measure]).to_list(),
                "marker": {**line["marker"], "size": sizes, "opacity": 1, "line": {"width": 0}},
                "hovertemplate": f"{name}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
            }
        )
    unit = "" if measure == "train_loss" else ", %"
    return framed(
        traces, "epoch", f"{measure_name(measure, truth_known).lower()}{unit}", height=420
    )


def recalls(names: Sequence[str], methods: Sequence[str], recall: np.ndarray) -> Figure:
    """Heatmap of the recall of each method (rows of `recall`) on each class."""
    shares, names = 100 * recall, [theme.charted(name) for name in names]
    traces = [
        {
            "type": "heatmap",
            "x": names,
            "y": list(methods),
            "z": shares,
            "zmin": 0,
            "zmax": 100,
            "colorscale": theme.SHARES,
            "xgap": 1 if len(names) <= 30 else 0,
            "ygap": 1,
            "colorbar": {"title": {"text": "%"}, "thickness": 12},
            "hovertemplate": "%{y} on %{x}: %{z:.1f} %<extra></extra>",
        }
    ]
    if len(names) <= 12:
        rows, columns = np.nonzero(np.isfinite(shares))
        traces.append(
            {
                "type": "scatter",
                "x": [names[c] for c in columns.tolist()],
                "y": [methods[r] for r in rows.tolist()],
                "mode": "text",
                "text": [f"{share:.0f}" for share in shares[rows, columns]],
                "hoverinfo": "skip",
            }
        )
    return framed(
        traces,
        "class of the test rows",
        "",
        legend=False,
        height=110 + 30 * len(methods),
        xaxis={"type": "category", "showgrid": False},
        yaxis={"type": "category", "showgrid": False, "autorange": "reversed"},
    )

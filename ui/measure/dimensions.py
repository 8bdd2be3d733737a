"""The Dimensions page: which reductions to compare, and at how many dimensions."""

import dataclasses
from typing import Any

import pandas as pd
import streamlit as st

from ui.jobs.plan import REDUCTION, Plan
from ui.shell.controls import linked
from ui.shell.settings import Settings
from wann_core.datasets import Dataset
from wann_core.methods import reduction

NONE = "none"
_REDUCTIONS = (NONE, *reduction.REDUCTIONS)
_NAMES = {NONE: "None"}
_MOST_AT_FIRST = 128  # dimensions of the sizes that are chosen at first: searches cost time
SMALLER = (10, 100)  # times, as the paper has them


def records_of(plan: Plan, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Finished runs as a table in the plan's order; without reduction it is 'none'."""
    frame = pd.DataFrame(rows)
    frame["reduction"] = frame["reduction"].fillna(NONE)
    order = [*_REDUCTIONS, *plan.methods]
    columns = ["reduction", "dimensions", "seed", "method_name"]
    return frame.sort_values(
        columns, key=lambda c: c.map(order.index) if c.name in (columns[0], columns[3]) else c
    ).reset_index(drop=True)


def controls(settings: Settings, data: Dataset) -> Plan | None:
    """Draw the page's own settings; None, and a hint, where nothing is left to compare."""
    base = dataclasses.replace(settings.scenario, reduction=None, reduction_size=None)
    columns = data.train.X.shape[1]
    rows = min(base.num_subsamples or len(data.train), len(data.train))
    offered = reduction.sizes(columns, data.n_classes, rows)
    place = st.container(key="stacking_plan")
    left, middle, right = place.columns([5, 8, 3], gap="medium")
    names = linked(
        left.pills,
        "Reductions",
        key="reductions",
        options=_REDUCTIONS,
        default=list(_REDUCTIONS),
        selection_mode="multi",
        format_func=lambda name: _NAMES.get(name, name),
        help=f"LDA and fLDA have at most C - 1 dimensions, here {data.n_classes - 1}.",
    )
    every = sorted({size for sizes in offered.values() for size in sizes if size is not None})
    # Other embeddings start over, with their own 10 and 100 times smaller sizes.
    sizes = linked(
        middle.multiselect,
        "Dimensions",
        key=f"dims_{columns}",
        options=every,
        default=[size for size in every if 1 < size <= _MOST_AT_FIRST] or every,
        help=f"Of {columns:,}. Each is a search of its own, under LDA and fLDA one for each seed.",
    )
    n_seeds = linked(
        right.slider,
        "Seeds",
        key="seeds",
        min_value=1,
        max_value=10,
        value=3,
        help="Draws to average over.",
    )
    chosen = tuple(
        (name, tuple(size for size in offered[name] if size is None or size in sizes))
        for name in (None if name == NONE else name for name in _REDUCTIONS if name in names)
    )
    chosen = tuple((name, values) for name, values in chosen if values)
    if not chosen:
        st.info("Choose at least one reduction and a number of dimensions.", icon=":material/tune:")
        return None
    seeds = tuple(range(base.seed, base.seed + n_seeds))
    return Plan(base, settings.methods, seeds, REDUCTION, chosen, columns)

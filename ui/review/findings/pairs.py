"""Which class is mistaken for which: the labels that look wrong, and the transition matrix."""

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts, heatmap_cell, heatmaps
from ui.charts.short_names import apart
from ui.review.cards import filters
from ui.review.cards.card_list import refresh
from ui.review.case.data import Case
from ui.shell import theme
from wann_core.noise.transition import MOST_PAIRS

_NAMED = 3  # in words
_LISTED = 200  # pairs, where there are too many classes for a picture
_KEY = "review_pairs"


def show(case: Case) -> None:
    """Draw both; a click on a pair of classes filters the cards below."""
    pairs = pairs_table(case)
    with st.expander(_headline(pairs, case.found.rows.class_names), icon=":material/grid_on:"):
        left, right = st.columns(2, gap="large")
        few = len(case.found.rows.class_names) <= MOST_PAIRS
        with left:
            st.markdown("**Labels that look wrong**")
            _heatmap(case, pairs) if few else _list(case, pairs)
        with right:
            st.markdown("**How labels go wrong, estimated**")
            _transitions(case) if few else _rates(case)


def _headline(pairs: pd.DataFrame, names: tuple[str, ...]) -> str:
    short = apart(names)
    if not len(pairs):
        return "Given label → suggested label: no label looks wrong"
    listed = ", ".join(
        f"{theme.plain(short[pair['given_label']])} → "
        f"{theme.plain(short[pair['suggested_label']])} "
        f"({pair['rows']:,})"
        for pair in pairs.head(_NAMED).to_dict("records")
    )
    return f"Given label → suggested label. Most often: {listed}"


def _heatmap(case: Case, pairs: pd.DataFrame) -> None:
    names = list(case.found.rows.class_names)
    counts = np.zeros((len(names), len(names)), np.int64)
    counts[_ids(case, pairs)] = pairs["rows"]
    cell = (
        heatmap_cell.Axis(filters.GIVEN, "Given label", range(len(names)), names),
        heatmap_cell.Axis(filters.SUGGESTED, "Suggested label", range(len(names)), names),
    )
    take = heatmap_cell.taker(*cell)

    def pick(row: int, column: int) -> None:
        take(row, column)
        refresh()

    figure = heatmaps.heatmap(
        names,
        names,
        np.where(counts > 0, counts, np.nan),
        "suggested label",
        "given label",
        hover="given %{y}, suggested %{x}: %{z:.0f}",
        unit="rows",
        span=(0, max(int(counts.max()), 1)),
        text="%d",
        height=heatmaps.height_of(len(names)),
    )
    given, suggested = (st.session_state.get(axis.key) for axis in cell)
    heatmap_cell.outline(figure, *cell, given, suggested, "solid")
    charts.show(
        figure,
        f"The {int(counts.sum()):,} most doubtful labels, by the label they have and the "
        "likeliest other one. Click a cell to see its cards alone.",
        "class-pairs",
        pairs,
        None,
        on_click=pick,
    )


def _list(case: Case, pairs: pd.DataFrame) -> None:
    """Of many classes the largest pairs, as a list."""
    shown = pairs.head(_LISTED)

    def filter_chosen() -> None:
        rows = st.session_state[_KEY]["selection"]["rows"]
        if rows:
            given, suggested = (int(part[rows[0]]) for part in _ids(case, shown))
            filters.filter_pair(given, suggested)

    st.dataframe(
        shown,
        hide_index=True,
        key=_KEY,
        on_select=filter_chosen,
        selection_mode="single-row",
    )
    st.caption(
        f"The {len(shown):,} most frequent of {len(pairs):,} pairs. Choose one to see its cards."
    )
    charts.download("class-pairs", pairs, None)


def _transitions(case: Case) -> None:
    matrix, names = case.found.noise.transition_matrix, case.found.rows.class_names
    charts.show(
        heatmaps.transitions(names, matrix, least=1),
        "Row: the true class. Column: the label given to it, in percent of the row, as "
        f"estimated for all rows without knowing the truth{heatmaps.written(len(names), 1)}.",
        "estimated-transitions",
        transitions_table(case),
        None,
    )


def _rates(case: Case) -> None:
    """Of many classes each one's rate: where wrong labels go is not estimated."""
    table = transitions_table(case)
    st.dataframe(
        table.head(_LISTED),
        hide_index=True,
        column_config={"share": st.column_config.NumberColumn("wrong labels", format="percent")},
    )
    st.caption(
        "Estimated share of the labels of each true class that are wrong, largest first. Of more "
        f"than {MOST_PAIRS} classes, which label they get instead is not estimated."
    )
    charts.download("estimated-transitions", table, None)


def _ids(case: Case, pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Class ids of both columns of labels."""
    order = pd.Index(case.found.rows.class_names)
    given, suggested = (pd.Index(pairs[name]) for name in ("given_label", "suggested_label"))
    return order.get_indexer(given), order.get_indexer(suggested)


def pairs_table(case: Case) -> pd.DataFrame:
    """given_label, suggested_label, rows: of the labels that look wrong, most frequent first."""
    flagged = case.found.table["is_label_issue"].to_numpy()
    names = np.array(case.found.rows.class_names)
    # Only pairs that occur: the table of all pairs of many classes fits no memory.
    cells, rows = np.unique(
        case.found.rows.labels[flagged] * len(names) + case.suggested[flagged], return_counts=True
    )
    given, suggested = np.divmod(cells.astype(np.int64), len(names))
    frame = pd.DataFrame(
        {"given_label": names[given], "suggested_label": names[suggested], "rows": rows}
    )
    return frame.sort_values("rows", ascending=False, kind="stable", ignore_index=True)


def transitions_table(case: Case) -> pd.DataFrame:
    """true_class, given_label, share: the estimated transition matrix.

    Of more than 256 classes true_class and share alone: of its wrong labels, largest first.
    """
    names, transition = case.found.rows.class_names, case.found.noise.transition
    if transition.pairs is None:
        order = np.argsort(-transition.rates, kind="stable")
        shares = transition.rates[order]
        return pd.DataFrame({"true_class": np.array(names)[order], "share": shares})
    return pd.DataFrame(
        {
            "true_class": np.repeat(names, len(names)),
            "given_label": np.tile(names, len(names)),
            "share": transition.pairs.ravel(),
        }
    )

"""The Results page: tables of means, and all runs."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.results.results import Chosen, in_words, metric, of_newest
from ui.shell import theme
from ui.shell.controls import linked
from ui.shell.sentences import counted
from wann_core.methods.metrics import METRICS
from wann_core.results import table as results_table
from wann_core.results import text as results_text
from wann_core.results.html_summary import pivots_html
from wann_core.results.paired_tests import LEAST_SEEDS
from wann_core.results.table import FIELDS, Pivot

_MOST_STRETCHED, _CELL_WIDTH = 5, 165  # pixels, of "92.29 ± 1.10 (n=10) ≈" in bold
_NAME_WIDTH, _MOST_WIDTH = 7.5, 480  # pixels of a letter, and of a whole row name
_MOST_TABLES = 20
_MOST_AT_ONCE = 3  # tables; of more, one is chosen
_SEEDS = {"common": "Common seeds", "all": "All seeds of each cell"}
_MOST_ROWS = 20_000  # above 150,000 st.dataframe loses its search; long before, its use
_FIRST = ("dataset", "backbone", "method", "noise")
_SHOWN = (
    *_FIRST,
    "seed",
    *METRICS,
    *(field for field in FIELDS if field not in _FIRST),
    "realised_noise",
    "judged_by",
    "train_rows",
    "test_rows",
    "graph_recall",
    "converged",
    "source",
    "created",
    "version_wann",
)


def table(chosen: Chosen) -> None:
    """Two fields across, as in a paper: mean ± standard deviation over the seeds."""
    left, middle, right, last = st.columns(4)
    fields = [field for field in FIELDS if field != "origin"]
    rows = linked(
        left.selectbox,
        "Rows",
        key="rows_of",
        options=fields,
        index=fields.index("method"),
        format_func=FIELDS.__getitem__,
    )
    columns = linked(
        middle.selectbox,
        "Columns",
        key="columns_of",
        options=fields,
        index=fields.index("noise"),
        format_func=FIELDS.__getitem__,
    )
    score = metric(right)
    seeds = linked(
        last.selectbox,
        "Average over",
        key="average",
        options=list(_SEEDS),
        format_func=_SEEDS.__getitem__,
        help="Methods that were run on different seeds are compared on those that all of them "
        "have. “All seeds of each cell” shows every mean over all that was measured; what is best "
        "is decided on the common seeds all the same.",
    )
    if rows == columns:
        st.info("Choose two different fields for rows and columns.", icon=":material/tune:")
        return
    made = _pivots(chosen.token, rows, columns, score, seeds == "common", chosen.table)
    if not made:
        st.info("None of these runs has this score. Choose another one.")
        return
    explain_parts([one.part for one in made], "table")
    made = _chosen_tables(made, chosen.table)
    for one in made[:_MOST_TABLES]:
        if one.part and len(made) > 1:
            st.header(theme.plain(title_of(one.part)))
        # Few columns share the width; of more, each is wide enough for its cells.
        names = one.column_names
        wide = len(names) > _MOST_STRETCHED
        config = {
            name: st.column_config.Column(width=_CELL_WIDTH if wide else None) for name in names
        }
        longest = max(map(len, one.row_names))
        width = int(min(24 + _NAME_WIDTH * longest, _MOST_WIDTH))
        config["_index"] = st.column_config.Column(width=width)
        st.dataframe(_styled(one), width="stretch", column_config=config)
        if realized := results_text.realized_noise(one):
            st.caption(theme.plain(f"Not the noise asked for: {realized}."))
    if len(made) > _MOST_TABLES:
        st.caption(f"{len(made) - _MOST_TABLES} more tables are in the downloads. Filters help.")
    st.caption(_reading(METRICS[score]))
    _explain_seeds(pd.concat([one.cells for one in made]))
    _downloads(made, METRICS[score])


def _chosen_tables(made: list[Pivot], runs: pd.DataFrame) -> list[Pivot]:
    """The tables to show and to download: of many, one by one, or all."""
    if len(made) <= _MOST_AT_ONCE:
        return made
    everything = f"All {len(made)} tables"
    titles = [title_of(one.part) for one in made]
    which = linked(
        st.selectbox,
        "Table",
        key="which_table",
        options=[*titles, everything],
        index=of_newest([one.part for one in made], runs),
    )
    return made if which == everything else [made[titles.index(which)]]


def _reading(title: str) -> str:
    return (
        f"{title}, %: mean ± standard deviation (of n − 1); n: seeds. Bold: the best "
        "mean over the seeds that all compared cells have; ≈: what a paired t-test over at least "
        f"{LEAST_SEEDS} of these seeds does not distinguish from it (5 %, two-sided, not corrected "
        "for many comparisons). With few seeds that test finds little; with fewer, and where only "
        "one of the two draws anything, there is none, and no mark."
    )


@st.cache_resource(max_entries=8, show_spinner="Averaging over the seeds …")
def _pivots(
    token: str, rows: str, columns: str, score: str, common: bool, _runs: pd.DataFrame
) -> list[Pivot]:
    return results_table.pivots(_runs, rows, columns, score, common=common)


def _explain_seeds(cells: pd.DataFrame) -> None:
    """Say where cells were run on different seeds, and what that does to the tables."""
    failed = int(cells["unconverged"].sum())
    if failed:
        st.warning(
            f"†: {counted(failed, 'run')} of these cells did not converge: no better than guessing "
            "on the validation labels, so the scores mean nothing.",
            icon=":material/hourglass_disabled:",
        )
    left_out = int((cells["seeds"] < cells["all_seeds"]).sum())
    if left_out:
        st.info(
            f"{left_out:,} cells have more seeds than those that they are compared with, and are "
            "averaged over the common ones. Run the missing seeds, filter out the methods that "
            "lack them, or choose “All seeds of each cell”.",
            icon=":material/balance:",
        )
    unlike = cells[(cells["common_seeds"] > 0) & (cells["common_seeds"] < cells["seeds"])]
    if len(unlike):
        st.warning(
            f"{len(unlike):,} cells show means over seeds that others lack: compare their numbers "
            "with care. Bold is decided on the common seeds, so it may stand on a lower number.",
            icon=":material/balance:",
        )
    apart = int((cells["common_seeds"] == 0).sum())
    if apart:
        st.warning(
            f"{apart:,} cells have no seed in common with all those beside them: these are shown, "
            "not compared.",
            icon=":material/balance:",
        )


def _downloads(made: Sequence[Pivot], title: str) -> None:
    with st.container(horizontal=True):
        charts.download("results", lambda: results_text.long(made), None, "CSV")
        st.download_button(
            "Summary, HTML",
            lambda: pivots_html(made, title, [_reading(title)]),
            "wann-results.html",
            "text/html",
            key="summary_results",
            icon=":material/description:",
            on_click="ignore",
        )
        for name, text, suffix, kind in (
            ("LaTeX", results_text.latex_document(made, title), "tex", "text/x-tex"),
            ("Markdown", results_text.to_markdown(made, title), "md", "text/markdown"),
        ):
            st.download_button(
                name,
                text,
                f"wann-results.{suffix}",
                kind,
                key=f"text_{suffix}",
                icon=":material/download:",
                on_click="ignore",
            )
    with st.expander("LaTeX to copy"):
        st.code(results_text.to_latex(made, title), language="latex")


def _styled(one: Pivot) -> Any:
    rows, columns = one.row_names, one.column_names
    shown = pd.DataFrame("", pd.Index(rows, name=FIELDS[one.rows].lower()), columns)
    style = pd.DataFrame("", shown.index, columns)
    for cell in one.cells.to_dict("records"):
        at = cell[one.rows], cell[one.columns]
        # A mark, as the table draws no underline.
        mark = " ≈" if cell["level"] else ""
        number = results_text.number(cell["mean"], cell["std"])
        failed = results_text.UNCONVERGED if cell["unconverged"] else ""
        shown.loc[at] = f"{number} (n={cell['seeds']}){failed}{mark}"
        style.loc[at] = "font-weight: bold" if cell["best"] else ""
    return shown.style.apply(lambda _: style, axis=None)


def explain_parts(parts: Sequence[dict[str, str]], what: str) -> None:
    """Say why there is more than one table or chart."""
    fields = dict.fromkeys(field for part in parts for field in part)
    if fields:
        *most, last = [FIELDS[field].lower() for field in fields]
        names = f"{', '.join(most)} and {last}" if most else last
        st.info(
            f"These runs differ in {names}, which the {what} does not show: each has a {what} of "
            f"its own, so that nothing but seeds is averaged.{_draws(fields)}",
            icon=":material/call_split:",
        )


def _draws(fields: Iterable[str]) -> str:
    """Where runs with either way to draw noise come from, and how to keep one."""
    if "draw" not in fields:
        return ""
    return (
        " Noise is drawn “exact” by the pages unless set otherwise, “reference” (as published) by "
        "commands and plan files. Choose one in the sidebar, under “How noise is drawn”."
    )


def title_of(part: dict[str, str]) -> str:
    """What the runs of a table or chart have in common, as plain text."""
    text = in_words(part)
    return text[:1].upper() + text[1:]


def runs(chosen: Chosen) -> None:
    """Every run as a row."""
    newest = chosen.table.iloc[::-1]
    shown = newest[[column for column in _SHOWN if column in newest]].head(_MOST_ROWS)
    scores = [column for column in (*METRICS, "realised_noise") if column in shown]
    percent = (100 * shown[scores].astype(float)).replace([np.inf, -math.inf], np.nan)
    shown = shown.assign(**{name: percent[name] for name in scores})
    config = {name: st.column_config.NumberColumn(format="%.2f %%") for name in scores}
    st.dataframe(shown, hide_index=True, width="stretch", column_config=config)
    st.caption("The newest first. The CSV holds all columns: each row can be made again from it.")
    charts.download("runs", newest, None, "All columns, CSV")

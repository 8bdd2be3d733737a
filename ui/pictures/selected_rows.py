"""Samples that somebody chose in a chart: pictures, a table, and the way to their neighborhood."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.charts.short_names import apart
from ui.pictures import picture_grid, thumbnails
from ui.shell import theme
from ui.shell.sentences import counted
from wann_core.experiments.prepared import PreparedData

_PICTURES = 24
_ROWS = 1_000  # in the table; the CSV has all


class _Link(NamedTuple):
    """A page about one row: it understands the query parameters 'split' and 'row'."""

    page: str
    title: str
    icon: str


_LINKS = (
    _Link("neighborhoods", "Neighborhood", ":material/workspaces:"),
    _Link("label_audit", "Label audit", ":material/troubleshoot:"),
)


def table(prepared: PreparedData, split: str, positions: npt.NDArray[Any]) -> pd.DataFrame:
    """What is known of rows of a split, one row each.

    Parameters
    ----------
    prepared : PreparedData
    split : {'train', 'test'}
    positions : ndarray of int
        Places in the order of training, or among the test rows.

    Returns
    -------
    DataFrame
        row (id in the data set's own file), split, true class (given label, where that is not
        known); for training rows also given label, flipped (if that is known), reliability and
        adaptive k; and whatever further columns the rows have.
    """
    rows = _own(prepared, split, positions)
    columns = prepared.dataset.splits[split].columns
    if columns is None:
        return rows
    places = prepared.rows[positions] if split == "train" else positions
    further = columns.iloc[places].set_axis(rows.index)
    return rows.join(further.rename(columns={c: f"{c}_given" for c in further if c in rows}))


def _own(prepared: PreparedData, split: str, positions: npt.NDArray[Any]) -> pd.DataFrame:
    """What the data set and the methods know about the rows."""
    p, names = prepared, np.array(prepared.dataset.class_names)
    if split == "test":
        column = "true_class" if p.test_truth_known else "given_label"
        labels = names[p.y_test[positions]]
        return pd.DataFrame({"row": p.test_ids[positions], "split": split, column: labels})
    clean, given = p.clean_labels[positions], p.labels[positions]
    return pd.DataFrame(
        {
            "row": p.row_ids[positions],
            "split": split,
            **({"true_class": names[clean]} if p.truth_known else {}),
            "given_label": names[given],
            **({"flipped": given != clean} if p.truth_known else {}),
            "reliability": p.reliability[positions],
            "adaptive_k": p.adaptive_k[positions],
        }
    )


def show(
    prepared: PreparedData, split: str, positions: npt.NDArray[Any], name: str, **settings: str
) -> None:
    """Pictures of the first rows, a table of them, its CSV, and links to their neighborhoods.

    Parameters
    ----------
    prepared : PreparedData
    split : {'train', 'test'}
    positions : ndarray of int
        As for `table`.
    name : str
        Of the CSV and of the controls.
    **settings : str
        Query parameters of the sidebar in which `prepared` differs from it, for the links.
    """
    pictures(prepared, split, positions, name, _PICTURES, **settings)
    listing(prepared, split, positions, name, **settings)


def pictures(
    prepared: PreparedData,
    split: str,
    positions: npt.NDArray[Any],
    name: str,
    most: int = _PICTURES,
    **settings: str,
) -> None:
    """Pictures of the first rows, and links from the one that was clicked."""
    split = _judged(prepared, split)
    opened = f"_open_{name}"
    chosen = st.session_state.get(opened, "")
    shown = items(prepared, split, positions[:most])

    def remember(identity: str) -> None:
        st.session_state[opened] = identity

    picture_grid.grid(shown, f"pictures_{name}", remember, chosen=chosen)
    thumbnails.explain(prepared.dataset)
    first = f"The first {most} of {len(positions):,} rows. " if len(positions) > most else ""
    edges = ""
    if split == "train" and prepared.truth_known:
        edges = "Gray edge: the label is right, purple: it was flipped. "
    st.caption(f"{first}{edges}Click to open.")
    row = chosen.removeprefix(f"{split}-")
    if chosen in {item["id"] for item in shown}:
        for link in _LINKS:
            label = f"{link.title} of row {row}"
            if settings:
                # Within a session the sidebar's own value would win over the link's.
                address = _address(link, split, int(row), settings)
                st.link_button(label, address, icon=link.icon)
            else:
                st.page_link(
                    f"pages/{link.page}.py",
                    label=label,
                    icon=link.icon,
                    query_params={"split": split, "row": row},
                )


def listing(
    prepared: PreparedData, split: str, positions: npt.NDArray[Any], name: str, **settings: str
) -> None:
    """A table of the rows with a link from each, and its CSV."""
    split = _judged(prepared, split)
    rows = table(prepared, split, positions)
    some = rows.head(_ROWS)
    if len(rows) > _ROWS:
        st.caption(f"The first {_ROWS:,} of {len(rows):,} rows; the CSV has all.")
    st.dataframe(
        some.assign(
            **{
                link.title.lower(): [_address(link, split, i, settings) for i in some["row"]]
                for link in _LINKS
            }
        ),
        hide_index=True,
        column_config={
            "reliability": st.column_config.NumberColumn(format="%.3f"),
            **{
                link.title.lower(): st.column_config.LinkColumn(
                    display_text="open", help="Opens in a tab of its own, with this row chosen."
                )
                for link in _LINKS
            },
        },
    )
    charts.download(name, rows, prepared.scenario, f"CSV: {counted(len(rows), 'row')}")


def _judged(prepared: PreparedData, split: str) -> str:
    """The split that the rows belong to: without test rows the training rows are judged."""
    return "train" if prepared.leave_one_out else split


def items(
    prepared: PreparedData, split: str, positions: npt.NDArray[Any]
) -> list[picture_grid.Item]:
    """Picture, labels and row of each, see `table`."""
    split = _judged(prepared, split)
    rows = table(prepared, split, positions)
    return [_item(prepared, split, int(i), rows.iloc[at]) for at, i in enumerate(positions)]


def _item(
    prepared: PreparedData, split: str, position: int, row: "pd.Series[Any]"
) -> picture_grid.Item:
    source = int(prepared.rows[position]) if split == "train" else position
    flipped = bool(row.get("flipped", False))
    given = str(row["given_label"] if "given_label" in row else row["true_class"])
    short = apart(prepared.dataset.class_names)
    true = [f"true: {short[row['true_class']]}"] if flipped else []
    return {
        "id": f"{split}-{row['row']}",
        "picture": thumbnails.of_sample(prepared.dataset, split, source),
        "lines": [short[given], *true, f"row {row['row']}"],
        "title": f"Choose row {row['row']}: {given}",
        "mark": theme.FLIPPED if flipped else theme.CLEAN,
    }


def _address(link: _Link, split: str, row: int, changed: dict[str, str]) -> str:
    """Link to a page about a row that carries all settings of this page."""
    settings: dict[str, Any] = {k: st.query_params.get_all(k) for k in st.query_params}
    asked = {**settings, **changed, "split": split, "row": row}
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"{base and '/' + base}/{link.page}?" + urlencode(asked, doseq=True)

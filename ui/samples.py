"""Samples that somebody chose in a chart: pictures, a table, and the way to their neighbourhood."""

from typing import Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from ui import charts, look, picker, thumbnails
from wann_core.prepared import Prepared

_PICTURES = 24
_ROWS = 1_000  # in the table; the CSV has all


def table(prepared: Prepared, split: str, positions: npt.NDArray[Any]) -> pd.DataFrame:
    """What is known of rows of a split, one row each.

    Parameters
    ----------
    prepared : Prepared
    split : {'train', 'test'}
    positions : ndarray of int
        Places in the order of training, or among the test rows.

    Returns
    -------
    DataFrame
        row (id in the data set's own file), split, true class; for training rows also given label,
        flipped, reliability and adaptive k.
    """
    p, names = prepared, np.array(prepared.dataset.class_names)
    if split == "test":
        return pd.DataFrame(
            {"row": p.test_ids[positions], "split": split, "true_class": names[p.y_test[positions]]}
        )
    return pd.DataFrame(
        {
            "row": p.row_ids[positions],
            "split": split,
            "true_class": names[p.clean_labels[positions]],
            "given_label": names[p.labels[positions]],
            "flipped": p.labels[positions] != p.clean_labels[positions],
            "reliability": p.reliability[positions],
            "adaptive_k": p.adaptive_k[positions],
        }
    )


def show(
    prepared: Prepared,
    split: str,
    positions: npt.NDArray[Any],
    name: str,
    **settings: str,
) -> None:
    """Pictures of the first rows, a table of them, its CSV, and links to their neighbourhoods.

    Parameters
    ----------
    prepared : Prepared
    split : {'train', 'test'}
    positions : ndarray of int
        As for `table`.
    name : str
        Of the CSV and of the controls.
    **settings : str
        Query parameters of the sidebar in which `prepared` differs from it, for the links.
    """
    # Without test rows the training rows themselves are judged.
    split = "train" if prepared.leave_one_out else split
    rows = table(prepared, split, positions)
    opened = f"_open_{name}"
    chosen = st.session_state.get(opened, "")
    items = [
        _item(prepared, split, int(i), rows.iloc[at]) for at, i in enumerate(positions[:_PICTURES])
    ]

    def remember(identity: str) -> None:
        st.session_state[opened] = identity

    picker.grid(items, f"pictures_{name}", remember, chosen=chosen)
    thumbnails.explain(prepared.dataset)
    first = f"The first {_PICTURES} of {len(rows):,} rows. " if len(rows) > _PICTURES else ""
    st.caption(f"{first}Grey edge: the label is right, purple: it was flipped. Click to open.")
    row = chosen.removeprefix(f"{split}-")
    if chosen in {item["id"] for item in items}:
        label, icon = f"Neighbourhood of row {row}", ":material/workspaces:"
        if settings:
            # Within a session the sidebar's own value would win over the link's.
            st.link_button(label, _address(split, int(row), settings), icon=icon)
        else:
            st.page_link(
                "pages/neighbourhoods.py", label=label, icon=icon,
                query_params={"split": split, "row": row},
            )  # fmt: skip
    some = rows.head(_ROWS)
    st.dataframe(
        some.assign(neighbourhood=[_address(split, i, settings) for i in some["row"]]),
        hide_index=True,
        column_config={
            "neighbourhood": st.column_config.LinkColumn(
                display_text="open", help="Opens in a tab of its own, under the same settings."
            ),
            "reliability": st.column_config.NumberColumn(format="%.3f"),
        },
    )
    charts.download(name, rows, prepared.scenario, f"These {len(rows):,} rows, CSV")


def _item(prepared: Prepared, split: str, position: int, row: "pd.Series[Any]") -> picker.Item:
    source = int(prepared.rows[position]) if split == "train" else position
    flipped = bool(row.get("flipped", False))
    given = str(row.get("given_label", row["true_class"]))
    return {
        "id": f"{split}-{row['row']}",
        "picture": thumbnails.of_sample(prepared.dataset, split, source),
        "lines": [given, *([f"true: {row['true_class']}"] if flipped else []), f"row {row['row']}"],
        "title": f"Choose row {row['row']}",
        "mark": look.FLIPPED if flipped else look.CLEAN,
    }


def _address(split: str, row: int, changed: dict[str, str]) -> str:
    """Link to a row's neighbourhood that carries all settings of this page."""
    settings: dict[str, Any] = {k: st.query_params.get_all(k) for k in st.query_params}
    asked = {**settings, **changed, "split": split, "row": row}
    return "/neighbourhoods?" + urlencode(asked, doseq=True)

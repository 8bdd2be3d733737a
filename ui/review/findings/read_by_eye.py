"""The built-in digits as an example: labels that one reader found doubtful, beside the ranking."""

import pandas as pd
import streamlit as st

from ui.review.case.data import Case
from wann_core.datasets.resolve import BUILT_IN
from wann_core.datasets.sources import digits

_FIRST = 20  # cards, as many as a page has


def show(case: Case) -> None:
    """Draw what the reader saw; nothing for other data, or where labels were flipped on purpose."""
    if (case.data.name, case.data.backbone) != BUILT_IN or case.data.injected:
        return
    seen = ranked(case)
    doubtful = seen[seen["could_be"] != ""]
    with st.expander(_headline(seen), icon=":material/visibility:"):
        st.caption(
            "An example of human errors: a judgment by eye of one person, with the given label in "
            "view. Nobody knows what the writers meant, and the audit does not use it. The reader "
            "saw the labels that the audit doubts most and others drawn at random: this shows "
            "whether the head of the list is worth reading, not what the list misses."
        )
        st.dataframe(
            pd.DataFrame(
                {
                    "image": [case.picture(position) for position in doubtful["position"]],
                    "rank": doubtful["rank"],
                    "row": doubtful["row"],
                    "given label": doubtful["given_label"],
                    "could as well be": doubtful["could_be"].str.replace(" ", " or "),
                }
            ),
            hide_index=True,
            row_height=56,
            column_config={"image": st.column_config.ImageColumn()},
        )


def ranked(case: Case) -> pd.DataFrame:
    """What the reader saw, with the position in the audit's table and the rank; by rank."""
    seen = digits.read_by_eye()
    table = case.found.table
    at = pd.Series(range(len(table)), index=table["row"])
    position = at[seen["row"]].to_numpy()
    return seen.assign(position=position, rank=case.ranks[position]).sort_values("rank")


def _headline(seen: pd.DataFrame) -> str:
    first, others = seen[seen["rank"] <= _FIRST], seen[seen["drawn"] == "random"]
    doubted, random = ((part["could_be"] != "").sum() for part in (first, others))
    return (
        f"Read by eye: of the first {_FIRST} labels one reader saw {len(first)} and found "
        f"{doubted} doubtful; of {len(others)} drawn at random {random}"
    )

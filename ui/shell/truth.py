"""Texts of pages where nobody knows the true labels: no claim on the truth, and where to look."""

import pandas as pd
import streamlit as st

from ui.shell import navigation, theme
from wann_core.datasets.dataset import Dataset, Judged
from wann_core.experiments.records import GIVEN_LABELS

SCORES = (
    "Scores are agreement with the given labels of the rows that judge, which nobody has verified."
)


def tell_unknown(prepared: Judged) -> None:
    """Say that there is nothing to hold labels against, and lead to the label audit."""
    data = prepared.dataset
    st.info(
        "The labels of this data set are not verified, so there is nothing to hold them against "
        "here. The label audit estimates which ones are in error. Or choose a noise pattern in the "
        "sidebar to see what noise does.",
        icon=":material/visibility_off:",
    )
    navigation.link_to_audit(data.name, data.backbone)


def explain_scores(data: Dataset) -> None:
    """Say what scores are measured against, where that is not the truth."""
    if not data.test_truth_known:
        st.caption(SCORES)


def explain_records(table: pd.DataFrame) -> None:
    """Say the same of runs, naming their data sets."""
    if "judged_by" not in table:
        return
    names = table.loc[table["judged_by"] == GIVEN_LABELS, "dataset"].unique()
    if len(names):
        listed = ", ".join(theme.plain(name) for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        st.caption(f"On {listed}{more}: {SCORES[:1].lower()}{SCORES[1:]}")


def score(judged: Judged) -> str:
    """Name the share of the judging rows on which a method and their labels agree."""
    return "Accuracy" if judged.test_truth_known else "Agreement with the given labels"

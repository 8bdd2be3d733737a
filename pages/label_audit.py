"""Which labels are wrong, why, how sure that is, and out with the result."""

import streamlit as st

from ui.review import partitions, section
from ui.review.case import audit
from ui.review.case.asked import sidebar
from ui.review.export import imports, outcome
from ui.review.findings import causes, issues
from ui.review.findings import trust as review_trust
from ui.review.people import annotators
from ui.shell import header
from ui.shell.controls import linked

_PARTS = {
    "review": ("Review", section.show),
    "issues": ("All issues", issues.show),
    "causes": ("Causes", causes.show),
    "annotators": ("People", annotators.show),
    "trust": ("Check the audit", review_trust.show),
    "export": ("Result and export", outcome.show),
}
# Titles and names that links of earlier versions ask for.
_MOVED = {"gain", "Before and after", "Export"}

header.show(
    "Label audit",
    "See which labels look wrong and why, judge them by key, and export the result.",
    "audit",
)
asked = sidebar()
if (partitioned := partitions.chosen()) is not None:
    partitions.show(partitioned, asked.who)
    st.stop()
case = imports.reranked(audit.case(asked))
if st.query_params.get("part") in _MOVED:
    st.query_params["part"] = _PARTS["export"][0]
    st.rerun()  # what a control is bound to is read when a run begins
part = linked(
    st.segmented_control,
    "Part",
    key="part",
    options=list(_PARTS),
    default="review",
    format_func=lambda name: _PARTS[name][0],
    required=True,
    label_visibility="collapsed",
)
_PARTS[part][1](case, asked)

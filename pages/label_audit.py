"""Which labels are wrong, why, how sure that is, and out with the result."""

import streamlit as st

from ui.review import audit, export, gain, imports, section, summary
from ui.review import trust as review_trust
from ui.shell.controls import linked

_PARTS = {
    "review": ("Review", section.show),
    "trust": ("Check the audit", review_trust.show),
    "gain": ("Before and after", gain.show),
    "export": ("Export", export.show),
}

st.title("Label audit")
st.caption("Which labels look wrong, why, and how many; your verdicts; the result to take home.")
asked = audit.sidebar()
case = imports.reranked(audit.case(asked))
summary.show(case)
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

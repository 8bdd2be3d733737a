"""Which labels are wrong, why, how sure that is, and out with the result."""

import streamlit as st

from ui import (
    review_audit,
    review_export,
    review_gain,
    review_import,
    review_section,
    review_summary,
    review_trust,
)  # fmt: skip
from ui.controls import linked

_PARTS = {
    "review": ("Review", review_section.show),
    "trust": ("How far to trust this", review_trust.show),
    "gain": ("Before and after", review_gain.show),
    "export": ("Take it home", review_export.show),
}

st.title("Label audit")
st.caption("Which labels look wrong, why, and how many; your verdicts; the result to take home.")
asked = review_audit.sidebar()
case = review_import.reranked(review_audit.case(asked))
review_summary.show(case)
part = linked(
    st.segmented_control, "Part", key="part", options=list(_PARTS), default="review",
    format_func=lambda name: _PARTS[name][0], required=True, label_visibility="collapsed",
)  # fmt: skip
_PARTS[part][1](case, asked)

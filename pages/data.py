"""What data there are, and how more come in: images, embeddings, labels for what has none."""

import streamlit as st

from ui import data_embed, data_here, data_import, data_predict, embedding_jobs, settings
from ui.controls import linked

_TASKS = {
    "here": ("What is here", data_here.show),
    "embed": ("Embed images", data_embed.show),
    "import": ("Import embeddings", data_import.show),
    "label": ("Label new rows", data_predict.show),
}

st.title("Data")
folders = settings.folders()
task = linked(
    st.segmented_control, "What to do", key="task", options=list(_TASKS), default="here",
    format_func=lambda name: _TASKS[name][0], required=True, label_visibility="collapsed",
)  # fmt: skip
embedding_jobs.watch(folders)
_TASKS[task][1](folders)

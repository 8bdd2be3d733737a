"""WANN Explorer: the pages and how to reach them."""

from pathlib import Path

import streamlit as st

from ui.jobs import panel
from ui.shell import navigation

# A file of ours: the browser would fetch one of Streamlit's icons from elsewhere.
_ICON = Path(__file__).parent / "ui" / "shell" / "icon.svg"
st.set_page_config(page_title="WANN Explorer", page_icon=str(_ICON), layout="wide")
with st.sidebar:
    panel.list_others()
navigation.run()

"""WANN Explorer: the pages and how to reach them."""

import streamlit as st

from ui.jobs import panel
from ui.shell import navigation

st.set_page_config(page_title="WANN Explorer", page_icon=":material/hub:", layout="wide")
with st.sidebar:
    panel.list_others()
navigation.run()

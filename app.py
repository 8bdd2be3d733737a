"""WANN Explorer: the pages and how to reach them."""

import streamlit as st

from ui.shell import navigation

st.set_page_config(page_title="WANN Explorer", page_icon=":material/hub:", layout="wide")
navigation.run()

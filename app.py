"""WANN Explorer: the pages and how to reach them."""

from pathlib import Path

import streamlit as st

from ui.jobs import panel
from ui.shell import access, navigation

# Files of ours: the browser would fetch one of Streamlit's icons from elsewhere.
_PICTURES = Path(__file__).parent / "ui" / "shell"
st.set_page_config(page_title="WANN Explorer", page_icon=str(_PICTURES / "icon.svg"), layout="wide")
st.logo(str(_PICTURES / "logo.svg"), size="large")
# Pages are named before the login, or Streamlit would list their files, and know no old address.
page = navigation.pages()
access.require_login()
with st.sidebar:
    navigation.add_scripts()
    panel.list_others()
page.run()

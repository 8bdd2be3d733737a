"""The documentation, one document at a time."""

import streamlit as st

from ui.shell import documents, header, navigation, theme
from ui.shell.controls import linked

navigation.enter()
header.show("Help", "What the pages, files and commands do, and how numbers are made.", "")
theme.apply()
titles = documents.titles()
if not titles:
    st.info(
        "The documents are not here: this installation lacks its folder docs. Install it again.",
        icon=":material/menu_book:",
    )
    st.stop()
with st.sidebar:
    name = linked(
        st.selectbox, "Document", key="doc", options=list(titles), format_func=titles.__getitem__
    )
st.header(titles[name])
st.markdown(documents.text(name))

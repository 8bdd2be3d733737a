"""WANN Explorer: the pages and how to reach them."""

import streamlit as st

st.set_page_config(page_title="WANN Explorer", page_icon=":material/hub:", layout="wide")
st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", icon=":material/dashboard:", default=True),
        st.Page("pages/compare.py", title="Compare", icon=":material/show_chart:"),
    ]
).run()

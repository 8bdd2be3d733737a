"""The pages of the app, and the way into them."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage
from streamlit.runtime.scriptrunner import get_script_run_ctx

_ENTRY = "app.py"


def run() -> None:
    """Show the navigation and run the chosen page; called by the entry script."""
    st.session_state["_entered"] = True
    _pages().run()


def enter() -> None:
    """Make sure that the entry script runs; every page calls this first.

    On a fresh server Streamlit lists the folder `pages` by itself until `st.navigation` has been
    called once, so that a link to a page would open it without the entry script.
    """
    context = get_script_run_ctx()
    if context is None or Path(context.main_script_path).name != _ENTRY:
        return  # a page on its own, as in a test
    if "_entered" not in st.session_state:
        _pages()
        st.rerun()


def _pages() -> StreamlitPage:
    return st.navigation(
        [
            st.Page(
                "pages/overview.py", title="Overview", icon=":material/dashboard:", default=True
            ),
            st.Page(
                "pages/neighbourhoods.py", title="Neighbourhoods", icon=":material/workspaces:"
            ),
            st.Page("pages/compare.py", title="Compare", icon=":material/show_chart:"),
            st.Page("pages/probes.py", title="Probes", icon=":material/model_training:"),
            st.Page("pages/data.py", title="Data", icon=":material/database:"),
        ]
    )

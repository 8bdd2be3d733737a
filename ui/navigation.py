"""The pages of the app, and the way into them."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage
from streamlit.runtime.scriptrunner import get_script_run_ctx

_ENTRY = "app.py"
_OPEN = "open_"


def run() -> None:
    """Show the navigation and run the chosen page; called by the entry script."""
    st.session_state["_entered"] = True
    _pages().run()


def enter() -> None:
    """Make sure that the entry script runs; every page calls this first.

    On a fresh server Streamlit lists the folder `pages` by itself until `st.navigation` has been
    called once, so that a link to a page would open it without the entry script.
    """
    if not _alone() and "_entered" not in st.session_state:
        _pages()
        st.rerun()


def link(page: str, label: str, icon: str, **asked: str) -> None:
    """A link to another page, opened with these query parameters."""
    # Not st.switch_page: it refuses to leave while a control of this page lives in the URL.
    if not _alone():
        st.page_link(f"pages/{page}.py", label=label, icon=icon, query_params=asked)


def link_to_overview(dataset: str, backbone: str) -> None:
    """A link that opens a data set on the Overview page."""
    asked = {f"{_OPEN}dataset": dataset, f"{_OPEN}backbone": backbone}
    link("overview", "Open in Overview", ":material/dashboard:", **asked)


def link_to_audit(dataset: str, backbone: str) -> None:
    """A link that opens a data set on the Label audit page."""
    asked = {f"{_OPEN}dataset": dataset, f"{_OPEN}backbone": backbone}
    link("review", "Audit its labels", ":material/troubleshoot:", **asked)


def opened(key: str, options: Sequence[str]) -> None:
    """Set a control to what the link asks for that led to this page; call it before it is drawn.

    Its own query parameter would not arrive: Streamlit drops what a control of the page before was
    bound to.
    """
    asked = st.query_params.pop(f"{_OPEN}{key}", None)
    if asked in options:
        st.session_state[key] = asked


def _alone() -> bool:
    """Whether a page runs without the entry script, as in a test."""
    context = get_script_run_ctx()
    return context is None or Path(context.main_script_path).name != _ENTRY


def _pages() -> StreamlitPage:
    return st.navigation(
        {
            "Look": [
                st.Page(
                    "pages/overview.py", title="Overview", icon=":material/dashboard:", default=True
                ),
                st.Page("pages/map.py", title="Map", icon=":material/scatter_plot:"),
                st.Page(
                    "pages/neighbourhoods.py", title="Neighbourhoods", icon=":material/workspaces:"
                ),
                st.Page("pages/reliability.py", title="Reliability", icon=":material/verified:"),
            ],
            "Measure": [
                st.Page("pages/compare.py", title="Compare", icon=":material/show_chart:"),
                st.Page("pages/dimension.py", title="Dimensions", icon=":material/compress:"),
                st.Page("pages/k_bounds.py", title="k bounds", icon=":material/grid_on:"),
                st.Page("pages/probes.py", title="Probes", icon=":material/model_training:"),
                st.Page("pages/sweeps.py", title="Sweeps", icon=":material/playlist_play:"),
                st.Page("pages/results.py", title="Results", icon=":material/table_chart:"),
            ],
            "Your data": [
                st.Page("pages/data.py", title="Data", icon=":material/database:"),
                st.Page("pages/review.py", title="Label audit", icon=":material/troubleshoot:"),
            ],
        }
    )

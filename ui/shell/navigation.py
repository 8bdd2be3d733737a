"""The pages of the app, and the way into them."""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ui.shell import access, theme
from wann_core.datasets.resolve import BUILT_IN
from wann_core.errors import WannError
from wann_core.plugins import load_plugins

_ENTRY = "app.py"
# File (and address) and title; the first page is the one that opens.
_PAGES = {
    "overview": "Overview",
    "map": "Map",
    "neighborhoods": "Neighborhoods",
    "reliability": "Reliability",
    "compare": "Compare",
    "dimensions": "Dimensions",
    "k_bounds": "k bounds",
    "probes": "Probes",
    "sweeps": "Sweeps",
    "results": "Results",
    "data": "Data",
    "label_audit": "Label audit",
    "help": "Help",
}
# Addresses of earlier versions: links that people keep go on working.
_MOVED = {"neighbourhoods": "neighborhoods", "dimension": "dimensions", "review": "label_audit"}
_OPEN = "open_"
_steps_back, _tab_order = (
    st.components.v2.component(
        f"wann_{name}", js=Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8")
    )
    for name in ("history", "tab_order")
)


def pages() -> StreamlitPage:
    """Show the navigation, after the login, and return the chosen page; for the entry script."""
    st.session_state["_entered"] = True
    _take_back()
    return _pages()


def add_scripts() -> None:
    """Add what every page does in the browser: steps back, and the order of Tab."""
    _steps_back(key="history")
    _tab_order(key="tab_order")


def _take_back() -> None:
    """Take all settings of an address that the browser goes back to, also on another page.

    Streamlit drops those which controls of the page that is left are bound to, as it has to where a
    link leads to a page: most pages share their settings.
    """
    context = get_script_run_ctx()
    if context is not None and context.is_history_navigation:
        with context.session_state.query_params() as asked:
            asked.set_initial_query_params(context.query_string)
        settings = parse_qs(context.query_string, keep_blank_values=True)
        st.query_params.update({k: v for k, v in settings.items() if k not in st.query_params})


def enter() -> None:
    """Make sure that the entry script runs; every page calls this first.

    On a fresh server Streamlit lists the folder `pages` by itself until `st.navigation` has been
    called once, so that a link to a page would open it without the entry script.
    """
    if not _alone() and "_entered" not in st.session_state:
        _pages()
        st.rerun()
    access.require_login()
    try:
        load_plugins()
    except WannError as error:
        # What did load, and what is built in, serves all the same.
        st.error(theme.plain(str(error)), icon=":material/extension_off:")


def link(page: str, label: str, icon: str, **asked: str) -> None:
    """A link to another page, opened with these query parameters."""
    # Not st.switch_page: it refuses to leave while a control of this page lives in the URL.
    if not _alone():
        st.page_link(f"pages/{page}.py", label=label, icon=icon, query_params=asked)


def link_to_overview(dataset: str, backbone: str) -> None:
    """A link that opens a data set on the Overview page."""
    asked = {f"{_OPEN}dataset": dataset, f"{_OPEN}backbone": backbone}
    link("overview", "Open in Overview", ":material/dashboard:", **asked)


def link_to_audit(dataset: str, backbone: str, label: str = "Audit its labels") -> None:
    """A link that opens a data set on the Label audit page."""
    asked = {f"{_OPEN}dataset": dataset, f"{_OPEN}backbone": backbone}
    link("label_audit", label, ":material/troubleshoot:", **asked)


def link_to_example() -> None:
    """A link to the audit of the built-in digits, some of whose labels are doubtful."""
    link_to_audit(*BUILT_IN, "No data of your own? Audit the built-in digits")


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
    listed = [
        st.Page(f"pages/{name}.py", title=title, default=name == "overview")
        for name, title in _PAGES.items()
    ]
    # At the top, so that the sidebar is free for the settings; on a narrow screen it goes there.
    return st.navigation(
        [*listed, *(_moved(old, new) for old, new in _MOVED.items())],
        position="hidden" if access.must_log_in() else "top",
    )


def _moved(old: str, new: str) -> StreamlitPage:
    """A page at an address of earlier versions, which leads to the present one.

    The browser loads it: `st.switch_page` would drop the parameters that controls are bound to, and
    a fresh server, which knows only the files of `pages` until its first run, has already sent the
    browser that the address does not exist.
    """

    def redirect() -> None:
        asked = {key: st.query_params.get_all(key) for key in st.query_params}
        address = f"{new}?{urlencode(asked, doseq=True)}"
        script = f"location.replace({json.dumps(address)})"
        st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)

    return st.Page(redirect, title=new, url_path=old, visibility="hidden")

"""The Results page: logs that other code has written, marked as such."""

from typing import Any

import streamlit as st

from ui.results.results import Chosen
from ui.shell import theme
from ui.shell.sentences import counted
from wann_core.errors import WannError
from wann_core.experiments.store import IMPORTED, ResultsStore
from wann_core.results import reference_logs

_MOST_FILES = 5_000
_LISTED = 10


def show(_: Chosen) -> None:
    """Upload logs, import them, forget them."""
    st.markdown(
        "The published scripts write one JSON log a run, named like "
        "`cifar10_WANN_sym-0.4_s42.json`: the seed stands in the name alone. "
        "`python -m wann_core knn` and `probe-test` write such logs, too."
    )
    left, right = st.columns([3, 1])
    files = left.file_uploader(
        "JSON logs",
        type=["json"],
        accept_multiple_files=True,
        key="log_files",
        max_upload_size=reference_logs.MOST_BYTES >> 20,
    )
    name = right.text_input(
        "Name of their origin",
        value="published code",
        key="log_name",
        max_chars=60,
        help="Imported runs carry it, never answer for a run of this machine, and are never "
        "averaged with one.",
    ).strip()
    if st.button("Import", type="primary", disabled=not files or not name, key="import_logs"):
        _import(files, name)
    if (said := st.session_state.pop("_imported", None)) is not None:
        st.success(said, icon=":material/check:")
    with st.popover("Forget all imported runs …", icon=":material/delete:"):
        st.write("The files that they came from stay where they are.")
        if st.button("Forget them", key="forget_imported"):
            ResultsStore().drop_imported()
            st.session_state["_imported"] = "All imported runs are forgotten."
            st.rerun()


def _import(files: list[Any], name: str) -> None:
    if len(files) > _MOST_FILES:
        st.error(f"At most {_MOST_FILES:,} logs at once, got {len(files):,}.")
        return
    read, refused = [], []
    for file in files:
        try:
            if file.size > reference_logs.MOST_BYTES:
                raise WannError(f"{file.name[:120]!r} is too large for a log.")
            read.append(reference_logs.read_log(file.name, file.getvalue()))
        except WannError as error:
            refused.append(str(error))
    for sentence in refused[:_LISTED]:
        st.error(theme.plain(sentence), icon=":material/error:")
    if len(refused) > _LISTED:
        st.error(f"Further files that are not logs of runs: {len(refused) - _LISTED:,}.")
    if not read:
        return
    ResultsStore().add_imported(read, name)
    runs = len({scenario.canonical() for scenario, _ in read})
    again = len(read) - runs
    said = f"{counted(runs, 'run')} imported, with the origin “{theme.plain(IMPORTED + name)}”."
    if again:
        said += f" Further logs of the same runs: {again:,}; the last of each counts."
    if refused:
        st.success(said, icon=":material/check:")
    else:
        st.session_state["_imported"] = said
        st.rerun()

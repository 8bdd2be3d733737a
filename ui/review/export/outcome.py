"""What a review leaves: tables, files for other programs, cleaned images, a cleaned database."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from ui.jobs import jobs, panel
from ui.review.case.asked import Asked
from ui.review.case.data import NO_VERDICT, Case, States
from ui.review.export import cleaned_images, gain, imports
from ui.shell import navigation, theme
from ui.shell.controls import describe_error
from wann_core.errors import WannError
from wann_core.review.corrections import Corrected, injected_reason
from wann_core.review.exports import FORMATS, Bundle, Review, export
from wann_core.review.exports.database import write_cleaned
from wann_core.review.exports.label_studio import label_studio_recipe, too_many
from wann_core.review.ledger_file import reading
from wann_core.typing import Array

_CHANGES, _CHANGES_HEIGHT = 6, 246  # lines of the list of changes; pixels of a longer one
_ROWS = {
    "all": "All rows",
    "doubtful": "Those that look wrong or are reviewed",
    "reviewed": "Reviewed rows only",
}


def show(case: Case, asked: Asked) -> None:
    """Draw the ways out, and the way in."""
    states = case.states()
    review = Review(case.data, states.table, case.found)
    try:
        after = review.after
    except WannError as error:
        st.error(theme.plain(str(error)), icon=":material/error:")
        return
    st.markdown(_what_is_there(after))
    if case.data.injected:
        st.warning(
            f"{case.data.injected} of these labels were made wrong on purpose. Tables are marked "
            "as such and name the label before; nothing else is exported. Set “Inject known errors "
            "(practice)” in the sidebar to “None” to export your own labels.",
            icon=":material/school:",
        )
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Before and after")
        _changes(states)
        gain.show(case, asked)
        st.header("Verdicts from elsewhere")
        imports.show(case)
    with right:
        # Whoever brought a folder wants it back first; a dozen formats follow.
        st.header("Cleaned images")
        cleaned_images.show(case, review, states.version)
        st.header("Files")
        _files(case, states)
        st.header("A cleaned database")
        _cleaned(case, after, asked)


def _what_is_there(after: Corrected) -> str:
    c = after.counts
    return (
        f"Corrected labels: **{c['relabel']:,}**, removed rows: **{c['remove']:,}**, labels "
        f"kept on purpose: **{c['keep']:,}**. Unsure: **{c['unsure']:,}**, not reviewed: "
        f"**{c['unreviewed']:,}**; these stay as they were given."
    )


def _changes(states: States) -> None:
    """List the labels that were changed, the most frequent change first."""
    changed = states.table[states.table["action"].isin(("relabel", "remove"))]
    if changed.empty:
        return
    after = changed["new_label"].where(changed["action"] == "relabel", "removed")
    pairs = changed.assign(after=after).value_counts(["given_label", "after"])
    st.dataframe(
        pairs.reset_index().set_axis(["given label", "after", "rows"], axis=1),
        hide_index=True,
        height="content" if len(pairs) <= _CHANGES else _CHANGES_HEIGHT,
        column_config={"rows": st.column_config.NumberColumn(format="localized")},
    )


def _files(case: Case, states: States) -> None:
    scope = st.selectbox(
        "Rows in tables and tasks",
        list(_ROWS),
        key="export_rows",
        format_func=_ROWS.__getitem__,
        persist_state="session",
    )
    review = Review(case.data, states.table, case.found, _chosen(case, states, scope))
    for name, form in FORMATS.items():
        reason = form.refusal(case.data)
        if not reason and name == "labelstudio":
            reason = too_many(case.data, review.table)
        if reason and case.data.injected:
            continue  # the line above all gives the reason
        marked = f"training-{form.file_name}" if case.data.injected else form.file_name
        _download(form.title, marked, form.what, _content(name, review), reason)
    _download(
        "Ledger",
        case.ledger.path.name,
        "SQLite: every verdict and every undo, to go on elsewhere.",
        lambda: _bytes_of(case.ledger.path),
        "" if states.version else "There is no verdict yet.",
    )
    st.caption(
        "Files whose name is not a plain path in their folder are left out of the image formats."
    )
    if recipe := label_studio_recipe(case.data):
        with st.expander("How Label Studio finds the images"):
            st.code(recipe, language=None, wrap_lines=True)


def _content(name: str, review: Review) -> Callable[[], bytes]:
    def make() -> bytes:
        made = export(name, review)
        return made.zip() if isinstance(made, Bundle) else made.content

    return make


def _download(title: str, name: str, what: str, make: Callable[[], bytes], reason: str) -> None:
    button, text = st.columns([5, 6], vertical_alignment="center")
    button.download_button(
        title,
        make if not reason else b"",
        name,
        key=f"export_{title}",
        on_click="ignore",
        icon=":material/download:",
        width="stretch",
        disabled=bool(reason),
    )
    text.caption(theme.plain(reason[:1].upper() + reason[1:] if reason else what))


def _chosen(case: Case, states: States, scope: str) -> Array:
    """Positions in the audit's table, most doubtful first."""
    order: Array = case.order
    reviewed = states.actions[order] != NO_VERDICT
    if scope == "reviewed":
        order = order[reviewed]
    elif scope == "doubtful":
        order = order[reviewed | case.found.table["is_label_issue"].to_numpy()[order]]
    return order


def _bytes_of(path: Path) -> bytes:
    """A copy of the ledger's file as one moment saw it, whoever writes to it meanwhile."""
    with reading(path) as database:
        return bytes(database.serialize())


def _cleaned(case: Case, after: Corrected, asked: Asked) -> None:
    name = st.text_input(
        "Name of the new data set",
        f"{asked.source.dataset}-cleaned".replace("/", "-"),
        key=f"cleaned_name_{asked.source.dataset}",
        persist_state="session",
        help="It is written into the database folder as train.npz, test.npz and a manifest, with "
        "corrected labels and without removed rows.",
    )
    place = st.empty()
    root = asked.source.roots.databases
    key = ("cleaned", str(root.resolve()), name.strip(), case.data.backbone)

    def work(job: jobs.Job) -> Path:
        return write_cleaned(
            after, root, name.strip(), ledger=case.ledger.path.name, progress=job.progress
        )

    def refuse(error: WannError) -> None:
        labels = {"dataset": "Name of the new data set"}
        place.error(theme.plain(describe_error(error, labels)), icon=":material/error:")

    writing = panel.Panel(
        "cleaned",
        key,
        work,
        f"Writing {name.strip()}",
        canceled="Canceled; nothing was written.",
        again="",
        refuse=refuse,
    )
    st.button(
        "Write the database",
        type="primary",
        icon=":material/database:",
        on_click=writing.start,
        disabled=bool(case.data.injected) or not name.strip() or writing.busy,
    )
    if case.data.injected:
        place.info(injected_reason(case.data), icon=":material/school:")
        return
    if writing.answer() is not None:
        st.success(
            f"**{theme.plain(name.strip())}** is written, under {theme.plain(case.data.backbone)}.",
            icon=":material/check_circle:",
        )
        navigation.link_to_overview(name.strip(), case.data.backbone)

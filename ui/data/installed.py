"""The Data page's view of what lies on this machine: databases, known data sets, caches."""

from pathlib import Path

import pandas as pd
import streamlit as st

from ui.shell import navigation, theme
from ui.shell.settings import Folders
from wann_core.datasets import BUILT_IN, catalog, database, image_sources
from wann_core.datasets.dataset import SPLITS
from wann_core.embedding import embed, inventory
from wann_core.errors import WannError

_MB = 1e6
_CACHES = {
    "graphs": "Neighbor graphs: searched again when they are needed",
    "fits": "Logistic regressions of label audits: fitted again when they are needed",
    "images": "Unpacked images of downloaded data sets: unpacked again when they are needed",
}


def show(folders: Folders) -> None:
    """Databases with what can be done with them, the catalog, and the caches."""
    stored = inventory.databases(folders.roots.databases)
    st.header("Embedding databases")
    if stored:
        _databases(stored, folders)
    else:
        st.info(
            f"No embedding database lies in {theme.plain(str(folders.roots.databases))} yet. Make "
            "one with “Embed images” or “Import embeddings” above; the handwritten digits of "
            "scikit-learn are built in and need none.",
            icon=":material/database:",
        )
    st.header("Known data sets")
    _catalog(stored, folders)
    st.header("Caches")
    _caches()


def _databases(stored: list[inventory.Stored], folders: Folders) -> None:
    table = pd.DataFrame(
        [
            {
                "data set": one.dataset,
                "backbone": one.backbone,
                "state": one.state,
                **{split: one.rows.get(split) for split in SPLITS},
                "dimensions": one.columns or None,
                "classes": one.classes or None,
                "size": one.nbytes / _MB,
                "changed": one.changed,
            }
            for one in stored
        ]
    )
    # Another table, another key: a mark must never pass to another database.
    names = hash(tuple((one.dataset, one.backbone, one.state) for one in stored))
    event = st.dataframe(
        table.dropna(axis=1, how="all"),
        hide_index=True,
        width="stretch",
        key=f"stored_{names}",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="–",
        column_config={
            **{
                split: st.column_config.NumberColumn(f"{split} rows", format="localized")
                for split in SPLITS
            },
            "size": st.column_config.NumberColumn("size (MB)", format="%.1f"),
            "changed": st.column_config.DatetimeColumn("changed (UTC)", format="YYYY-MM-DD HH:mm"),
        },
    )
    chosen = event.selection.rows
    if not chosen:
        st.caption("Tick a row at its left to open or delete that database.")
        return
    one = stored[chosen[0]]
    if one.remark:
        st.error(one.remark, icon=":material/error:")
    if one.state == "unfinished":
        st.info(
            "This one was interrupted. Embed the same images by the same backbone again and it "
            "goes on where it stopped.",
            icon=":material/pause_circle:",
        )
    with st.container(horizontal=True):
        if one.state == "ready":
            navigation.link_to_overview(one.dataset, one.backbone)
            navigation.link_to_audit(one.dataset, one.backbone)
        if st.button("Delete …", icon=":material/delete:", disabled=one.state == "being written"):
            _confirm_delete(one, folders.roots.databases)


@st.dialog("Delete this database?")
def _confirm_delete(one: inventory.Stored, root: Path) -> None:
    st.markdown(
        f"**{theme.plain(one.dataset)}** embedded by **{theme.plain(one.backbone)}** "
        f"({one.nbytes / _MB:.1f} MB) will be gone for good. The images it was made from stay."
    )
    with st.container(horizontal=True):
        if st.button("Delete it", type="primary"):
            try:
                if one.state == "unfinished":
                    embed.discard(root, one.dataset, one.backbone)
                else:
                    database.delete(root, one.dataset, one.backbone)
            except (WannError, OSError) as error:
                st.error(str(error))
                st.stop()
            st.rerun()
        if st.button("Keep it"):
            st.rerun()


def _catalog(stored: list[inventory.Stored], folders: Folders) -> None:
    embedded: dict[str, list[str]] = {BUILT_IN[0]: [BUILT_IN[1]]}
    for one in stored:
        if one.state == "ready":
            embedded.setdefault(one.dataset, []).append(one.backbone)
    rows = []
    for entry in catalog.ENTRIES.values():
        human = entry.source == "human labels"
        names = embedded.get(entry.name.partition("-n/")[0] if human else entry.name, [])
        there = image_sources.present(entry.name, folders.roots.data)
        rows.append(
            {
                "name": entry.name,
                "title": entry.title,
                "classes": len(entry.class_names),
                "images": sum(entry.rows.values()),
                "labels": "noisy" if entry.noisy else "clean",
                "raw data": "here" if there else "can be downloaded" if entry.downloads else "no",
                "embedded by": ", ".join(names) if there or not human else "",
                "license": entry.license,
                "home": entry.home,
            }
        )
    table = pd.DataFrame(rows)
    only = st.toggle("Only those that are here", key="only_here")
    if only:
        table = table[(table["raw data"] == "here") | (table["embedded by"] != "")]
    event = st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height=min(420, 38 + 35 * len(table)),
        # Another table, another key: a mark must never pass to another data set.
        key=f"known_{only}",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "home": st.column_config.LinkColumn(display_text=r"https?://(?:www\.)?([^/]+)"),
            "images": st.column_config.NumberColumn(format="localized"),
        },
    )
    chosen = event.selection.rows
    if chosen:
        _way_in(catalog.lookup(table["name"].iloc[chosen[0]]), folders)
        return
    place = theme.plain(str(folders.roots.data))
    st.caption(
        "Tick a row at its left to see how to get it. Labels: noisy where the data set's own "
        f"labels hold wrong ones. Raw data are looked for in {place}."
    )


def _way_in(entry: catalog.Entry, folders: Folders) -> None:
    """How to get a known data set, and the button that leads there."""
    there = image_sources.present(entry.name, folders.roots.data)
    here = "Its raw data are here." if there and entry.name != BUILT_IN[0] else ""
    way = here or entry.way or "Its images are downloaded when they are embedded."
    st.info(
        f"**{theme.plain(entry.title)}.** {theme.plain(way)} [Home page]({entry.home})",
        icon=":material/info:",
    )
    if entry.source not in ("digits", "human labels") and (there or entry.downloads):
        st.button("Embed its images", icon=":material/image:", on_click=_embed, args=(entry.name,))


def _embed(name: str) -> None:
    st.session_state.update(task="embed", source="known", embed_dataset=name)


def _caches() -> None:
    for name, size in inventory.caches().items():
        text, button = st.columns([5, 1], vertical_alignment="center")
        text.markdown(f"{_CACHES[name]}: **{size / _MB:,.1f} MB**")
        with button.popover("Clear …", disabled=not size, width="stretch"):
            st.markdown("Nothing is lost but time.")
            if st.button("Clear it", key=f"clear_{name}", type="primary"):
                inventory.clear(name)
                st.rerun()

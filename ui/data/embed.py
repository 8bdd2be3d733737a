"""The Data page's way from images to embeddings."""

import zlib
from pathlib import Path

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.data import database_jobs, embedding_options, zip_upload
from ui.data.database_jobs import refuse
from ui.data.requests import Embedding
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.pictures import thumbnails
from ui.shell import access, navigation, theme
from ui.shell.controls import ask, linked
from ui.shell.sentences import counted
from ui.shell.settings import Folders
from wann_core.datasets import catalog, database, image_sources
from wann_core.datasets.class_names import listed_order, look_alike
from wann_core.datasets.images import ImageDataset
from wann_core.datasets.sources import image_folder
from wann_core.embedding import backbones, inventory
from wann_core.errors import WannError
from wann_core.typing import Array

_SOURCES = {
    "folder": "A folder on this machine",
    "zip": "A zip file of images",
    "known": "A known data set",
}
_SPLITS = {"stratified": "Hold out 20 % of each class", "none": "None: judge each by the others"}
_PREVIEWED = 12
_MERGE = "merge"

Images = tuple[str, Path, str | None]  # data set, its folder, how it is split


def show(folders: Folders) -> Embedding | None:
    """Choose images and a backbone, look at what was understood, start; what is asked for."""
    zip_upload.take_unpacked()
    places: dict[str, DeltaGenerator] = {}
    # Not as a default, which must not meet a value that is set from here.
    ask("source", _SOURCES["folder"])
    # What names the job is in the link: a page that is loaded again shows how far it is.
    source = linked(
        st.segmented_control,
        "Images",
        key="source",
        options=list(_SOURCES),
        format_func=_SOURCES.__getitem__,
        required=True,
    )
    if source == "zip":
        zip_upload.show(folders, places)
        return None
    found = _known(folders) if source == "known" else _folder(folders, places)
    if found is None:
        navigation.link_to_example()
        return None
    request = embedding_options.show(*found, bool(st.session_state.get(_MERGE)), places)
    if request is not None:
        _start(request, folders, places)
    return request


def _start(request: Embedding, folders: Folders, places: dict[str, DeltaGenerator]) -> None:
    """The buttons, or where the images are embedded already."""
    try:
        made = inventory.database_of(folders.roots.databases, request.dataset, request.backbone)
    except WannError:
        made = None
    job = database_jobs.find(request, folders)
    busy = job is not None and job.state is jobs.State.RUNNING
    if made is not None and made.state == "ready":
        database_jobs.show(request, folders, places)
        if request.split is not None and made.source not in ("", str(request.root.resolve())):
            reason = (
                f"{made.dataset!r} by {made.backbone} was made of the images in {made.source!r}, "
                "not of these; `dataset` must be another one."
            )
            refuse(WannError(reason, "dataset"), places)
        elif job is None:
            st.info(
                "These images are embedded by this backbone already. To embed them again, delete "
                "that database first, under “Installed data”.",
                icon=":material/check:",
            )
            navigation.link_to_overview(request.dataset, request.backbone)
            navigation.link_to_audit(request.dataset, request.backbone)
        return
    with st.container(horizontal=True):
        st.button(
            "Embed",
            type="primary",
            disabled=busy,
            on_click=database_jobs.embed,
            args=(request, folders),
        )
        measured = database_jobs.estimating(request, folders, places)
        st.button("Estimate the time", on_click=measured.start, disabled=busy or measured.busy)
    database_jobs.show(request, folders, places)
    if made is not None and made.state == "unfinished":
        st.caption(
            f"An earlier attempt has embedded {sum(made.rows.values()):,} of the images; Embed "
            "goes on from there."
        )
    database_jobs.show_estimate(measured)


def _known(folders: Folders) -> Images | None:
    names = [
        entry.name
        for entry in catalog.ENTRIES.values()
        if entry.source not in ("digits", "human labels")
    ]
    name = linked(
        st.selectbox,
        "Data set",
        key="embed_dataset",
        options=names,
        format_func=lambda name: f"{name} · {catalog.lookup(name).title}",
    )
    entry = catalog.lookup(name)
    rows = ", ".join(f"{count:,} {split}" for split, count in entry.rows.items())
    there = image_sources.present(name, folders.roots.data)
    place = theme.plain(str(folders.roots.data))
    state = f"They are in {place}." if there else f"They are downloaded to {place} first."
    if not there and not entry.downloads:
        state = ""
    st.caption(
        f"{rows} images of {len(entry.class_names)} classes; license: {entry.license}. {state}"
    )
    if not state:
        st.info(theme.plain(f"The images are not here. {entry.way}"), icon=":material/folder_off:")
        return None
    return name, folders.roots.data, None


def _folder(folders: Folders, places: dict[str, DeltaGenerator]) -> Images | None:
    typed = linked(
        st.text_input,
        "Folder",
        key="embed_folder",
        placeholder=str(folders.roots.data / "my-images"),
        help="On the machine where this app runs: <class>/… or train/<class>/… and test/<class>/…, "
        "or images with a metadata.csv of file_name and label.",
    )
    of_folder = st.empty()
    if not typed.strip():
        st.info("Name a folder that holds one subfolder per class.", icon=":material/folder_open:")
        return None
    try:
        root = access.typed_path(typed, "dataset")
    except WannError as error:
        refuse(error, {"dataset": of_folder})
        return None
    left, right = st.columns(2)
    # Each folder has a name of its own.
    key = f"name_{zlib.crc32(str(root).encode()):08x}"
    name = linked(left.text_input, "Name of the data set", key=key, value=root.name)
    places["dataset"] = left.empty()
    split = linked(
        right.selectbox,
        "Test rows, if there is no test folder",
        key="embed_split",
        options=list(_SPLITS),
        format_func=_SPLITS.__getitem__,
    )
    places["split"] = right.empty()
    images = _look(root, split, {"dataset": of_folder, "split": places["split"]})
    try:
        database.folder(folders.roots.databases, name, backbones.PIXELS)
    except WannError as error:
        refuse(error, places)
        return None
    return None if images is None else (name, root, split)


def _look(root: Path, split: str, places: dict[str, DeltaGenerator]) -> ImageDataset | None:
    """What lies in a folder, looked at once; None while that lasts, or where it is of no use."""

    def work(job: jobs.Job) -> ImageDataset:
        job.progress(0, 1, "looking into the folder")
        return image_folder.open_images(root, root.name, split=split)

    key = ("look", root, split)
    looking = Panel(
        "look",
        key,
        work,
        f"Looking into {root.name}",
        canceled="Looking into the folder was canceled.",
        refuse=lambda error: refuse(error, places),
    )
    looking.begin()
    images = looking.answer()
    if images is not None:
        alike = bool(look_alike(images.class_names))
        # Kept in the session, too: the request is made of it below.
        merge = alike and linked(
            st.checkbox,
            "Merge classes that differ only in case, blanks or Unicode form",
            key=_MERGE,
            value=False,
        )
        _preview(images.merge_look_alikes() if merge else images)
        st.button("Rescan folder", icon=":material/refresh:", on_click=looking.forget)
    return images


def _samples(labels: Array) -> list[int]:
    """Rows to look at, as many of each class; of many classes some, from first to last."""
    classes = _spread(np.unique(labels), _PREVIEWED)
    each = _PREVIEWED // len(classes)
    return [int(row) for c in classes for row in _spread(np.flatnonzero(labels == c), each)]


def _spread(values: Array, most: int) -> Array:
    chosen: Array = values[np.linspace(0, len(values) - 1, min(len(values), most)).astype(int)]
    return chosen


def _preview(images: ImageDataset) -> None:
    counts = ", ".join(f"**{len(split):,}** {name}" for name, split in images.splits.items())
    count = counted(len(images.class_names), "class")
    first = [images.class_names[c] for c in listed_order(images.class_names)[:12]]
    classes = ", ".join(theme.plain(name) for name in first)
    more = f" and {len(images.class_names) - 12} more" if len(images.class_names) > 12 else ""
    st.markdown(f"Understood: {counts} images of {count}: {classes}{more}.")
    for remark in images.remarks:
        st.warning(theme.plain(f"{remark[:1].upper()}{remark[1:]}."), icon=":material/warning:")
    if len(images.class_names) == 1:
        st.warning(
            "One class alone: labels cannot be compared. Name the folder above, which "
            "holds a folder for each class.",
            icon=":material/warning:",
        )
    few = [
        name
        for c, name in enumerate(images.class_names)
        if (images.splits["train"].labels == c).sum() < 2
    ]
    if few:
        st.warning(
            f"Fewer than 2 training images: {theme.plain(', '.join(few[:10]))}. No other row can "
            "speak for such a label.",
            icon=":material/warning:",
        )
    train = images.splits["train"]
    rows = _samples(train.labels)
    thumbnails.grid(
        [thumbnails.of_file(train, row) for row in rows],
        [images.class_names[train.labels[row]] for row in rows],
    )

"""The Data page's way from images to embeddings."""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui import embedding_jobs, jobs, look, thumbnails
from ui.embedding_jobs import Request, refuse
from ui.settings import Folders
from wann_core import backbones, embedding
from wann_core.datasets import archive, catalogue, database, image_folder, sources
from wann_core.datasets.images import ImageDataset
from wann_core.errors import WannError

_SOURCES = {
    "known": "A known data set",
    "folder": "A folder on this machine",
    "zip": "A zip file of images",
}
_SPLITS = {"stratified": "Hold out 20 % of each class", "none": "None: judge each by the others"}
_BACKBONES = (
    backbones.PIXELS,
    backbones.DEFAULT,
    "vit_base_patch14_dinov2.lvd142m",
    "vit_small_patch14_dinov2.lvd142m",
    "resnet50.a1_in1k",
    "resnet18.a1_in1k",
)
_PREVIEWED = 12


def show(folders: Folders) -> None:
    """Choose images and a backbone, look at what was understood, start."""
    places: dict[str, DeltaGenerator] = {}
    source = st.segmented_control(
        "Images", list(_SOURCES), default="known", format_func=_SOURCES.__getitem__, key="source",
        required=True, persist_state="session",
    )  # fmt: skip
    if source == "known":
        found = _known(folders)
    elif source == "folder":
        found = _folder(folders, places)
    else:
        found = _zip(folders, places)
    if found is None:
        return
    request = _how(*found, places)
    with st.container(horizontal=True):
        running = jobs.registry().find(request.key(folders))
        busy = running is not None and running.state is jobs.State.RUNNING
        st.button(
            "Embed", type="primary", disabled=busy,
            on_click=embedding_jobs.start, args=(request, folders),
        )  # fmt: skip
        st.button("Estimate the time", on_click=embedding_jobs.estimate, args=(request,))
    embedding_jobs.show_estimate(request, places)
    if running is not None and isinstance(running.error, WannError):
        refuse(running.error, places)


def _known(folders: Folders) -> tuple[str, Path, str | None] | None:
    names = [
        entry.name
        for entry in catalogue.ENTRIES.values()
        if entry.source not in ("digits", "human labels")
    ]
    name = st.selectbox(
        "Data set", names, key="embed_dataset", persist_state="session",
        format_func=lambda name: f"{name} · {catalogue.lookup(name).title}",
    )  # fmt: skip
    entry = catalogue.lookup(name)
    rows = ", ".join(f"{count:,} {split}" for split, count in entry.rows.items())
    there = sources.present(name, folders.dataset_root)
    place = look.plain(str(folders.dataset_root))
    state = f"They are in {place}." if there else f"They are downloaded to {place} first."
    st.caption(
        f"{rows} images of {len(entry.class_names)} classes; licence: {entry.licence}. {state}"
    )
    if not there and not entry.downloads:
        st.info(f"The images are not here. {entry.way}", icon=":material/info:")
        return None
    return name, folders.dataset_root, None


def _folder(
    folders: Folders, places: dict[str, DeltaGenerator]
) -> tuple[str, Path, str | None] | None:
    typed = st.text_input(
        "Folder", key="embed_folder", persist_state="session",
        placeholder=str(folders.dataset_root / "my-images"),
        help="On the machine where this app runs: <class>/… or train/<class>/… and test/<class>/…, "
        "or images with a metadata.csv of file_name and label.",
    )  # fmt: skip
    places["dataset"] = st.empty()
    if not typed:
        st.info("Name a folder with one folder a class.", icon=":material/folder_open:")
        return None
    root = Path(typed).expanduser()
    return _named(root, root.name, places)


def _zip(
    folders: Folders, places: dict[str, DeltaGenerator]
) -> tuple[str, Path, str | None] | None:
    upload = st.file_uploader("Zip file", type="zip", key="embed_zip")
    name = st.text_input(
        "Name of the data set", key="zip_name", persist_state="session",
        help="The images are unpacked into a folder of this name among the raw data.",
    )  # fmt: skip
    places["dataset"] = st.empty()
    unpacked: dict[str, Path] = st.session_state.setdefault("_unpacked", {})
    if upload is not None and name and st.button("Unpack"):
        try:
            unpacked[name] = _unpack(upload, _place(folders, name))
        except WannError as error:
            refuse(error, places)
            return None
    if name not in unpacked or not unpacked[name].is_dir():
        st.info(
            "Choose a zip file with one folder a class, name the data set and press Unpack.",
            icon=":material/folder_zip:",
        )
        return None
    return _named(unpacked[name], name, places)


def _place(folders: Folders, name: str) -> Path:
    return database.folder(folders.dataset_root, name, "images").parent


def _unpack(upload: Any, place: Path) -> Path:
    with tempfile.NamedTemporaryFile(suffix=".zip") as file, st.spinner("Unpacking …"):
        file.write(upload.getbuffer())
        file.flush()
        report = archive.unpack_images(file.name, place)
    st.success(f"{report.images:,} images unpacked ({report.nbytes / 1e6:.1f} MB).")
    if report.skipped:
        with st.expander(f"{len(report.skipped):,} entries were left out"):
            st.dataframe(pd.DataFrame(report.skipped, columns=["entry", "reason"]), hide_index=True)
    return place


def _named(
    root: Path, suggested: str, places: dict[str, DeltaGenerator]
) -> tuple[str, Path, str] | None:
    """A folder's name and split, and a preview of what was understood."""
    left, right = st.columns(2)
    name = left.text_input("Call the data set", suggested, key=f"name_{root}")
    split = right.selectbox(
        "Test rows, if there is no test folder", list(_SPLITS), format_func=_SPLITS.__getitem__,
        key="embed_split", persist_state="session",
    )  # fmt: skip
    try:
        images = image_folder.open_images(root, name, split=split)
    except WannError as error:
        refuse(error, places)
        return None
    _preview(images)
    return name, root, split


def _preview(images: ImageDataset) -> None:
    counts = ", ".join(f"**{len(split):,}** {name}" for name, split in images.splits.items())
    classes = ", ".join(look.plain(name) for name in images.class_names[:12])
    more = f" and {len(images.class_names) - 12} more" if len(images.class_names) > 12 else ""
    st.markdown(
        f"Understood: {counts} images of {len(images.class_names)} classes: {classes}{more}."
    )
    few = [
        name
        for c, name in enumerate(images.class_names)
        if (images.splits["train"].labels == c).sum() < 2
    ]
    if few:
        st.warning(
            f"Fewer than 2 training images: {look.plain(', '.join(few[:10]))}. No other row can "
            "speak for such a label.",
            icon=":material/warning:",
        )
    train = images.splits["train"]
    step = max(1, len(train) // _PREVIEWED)
    rows = range(0, len(train), step)[:_PREVIEWED]
    thumbnails.grid(
        [thumbnails.of_file(train, row) for row in rows],
        [images.class_names[train.labels[row]] for row in rows],
    )


def _how(dataset: str, root: Path, split: str | None, places: dict[str, DeltaGenerator]) -> Request:
    backbone = st.selectbox(
        "Backbone", _BACKBONES, key="embed_backbone", accept_new_options=True,
        persist_state="session",
        help="Any image model of timm; type its name. 'pixels' is the image itself, flattened, and "
        "needs no weights.",
    )  # fmt: skip
    places["backbone"] = st.empty()
    with st.expander("More: weights, image size, precision"):
        weights = st.text_input(
            "Weights file", key="embed_weights", persist_state="session",
            placeholder="timm's own, downloaded or from its cache",
            help="A state dict on this machine: .safetensors, .pth, .pt or .bin.",
        )  # fmt: skip
        places["weights"] = st.empty()
        columns = st.columns(4)
        size = columns[0].number_input(
            "Image size (pixels)", 1, 2048, None, key="embed_size", placeholder="the model's own",
        )  # fmt: skip
        places["image_size"] = st.empty()
        dtype = columns[1].selectbox("Stored as", embedding.DTYPES, key="embed_dtype")
        on_error = columns[2].selectbox(
            "Unreadable images", embedding.ON_ERROR, key="embed_on_error",
            format_func={"skip": "leave out and list", "fail": "stop at the first"}.__getitem__,
        )  # fmt: skip
        device = columns[3].selectbox("Device", ("auto", "cpu", "cuda"), key="embed_device")
        places["device"] = st.empty()
    return Request(
        dataset, root, split, backbone or backbones.PIXELS, weights or None, size, dtype, on_error,
        device,
    )  # fmt: skip

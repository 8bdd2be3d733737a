"""How images are embedded: the backbone, its weights and its arithmetic."""

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.data import backbone_list
from ui.data.database_jobs import refuse
from ui.data.requests import Embedding
from ui.shell import access
from ui.shell.controls import ask, linked
from wann_core.embedding import backbones
from wann_core.embedding import embed as embedding
from wann_core.errors import WannError

_ON_ERROR = {"skip": "leave out and list", "fail": "stop at the first"}
_PRECISIONS = {
    "float32": "float32",
    "auto": "bfloat16 where that is faster",
    "bfloat16": "bfloat16",
}


def show(
    dataset: str, root: Path, split: str | None, merge: bool, places: dict[str, DeltaGenerator]
) -> Embedding | None:
    """Choose the backbone and what else decides on embeddings; the request, unless it is wrong."""
    # Not as the default, which links leave out: it is not the same on every machine.
    ask("embed_backbone", backbone_list.default())
    backbone = linked(
        st.selectbox,
        "Backbone",
        key="embed_backbone",
        options=list(backbone_list.OFFERS),
        accept_new_options=True,
        help="The frozen model that makes the embeddings: one of these, or any image model of "
        "timm; type its name. 'pixels' is the image itself, flattened, and needs no weights.",
    )
    places["backbone"] = st.empty()
    backbone_list.describe(backbone)
    with st.expander("Which backbone?"):
        backbone_list.show_all()
    with st.expander("More: weights, image size, precision", key="embed_more"):
        weights = linked(
            st.text_input,
            "Weights file",
            key="embed_weights",
            placeholder="timm's own, downloaded or from its cache",
            help="A state dict on this machine: .safetensors, .pth, .pt or .bin.",
        )
        upper, lower = st.columns(3), st.columns(3)
        size = linked(
            upper[0].number_input,
            "Image size",
            key="embed_size",
            min_value=1,
            max_value=2048,
            value=None,
            placeholder="the model's own",
            help="Side of the model's input in pixels.",
        )
        dtype = linked(
            upper[1].selectbox,
            "Stored as",
            key="embed_dtype",
            options=embedding.DTYPES,
            help="float16 halves the file; neighbors may then differ in the last place.",
        )
        on_error = linked(
            lower[0].selectbox,
            "Unreadable images",
            key="embed_on_error",
            options=embedding.ON_ERROR,
            format_func=_ON_ERROR.__getitem__,
        )
        device = linked(
            lower[1].selectbox, "Device", key="embed_device", options=("auto", "cpu", "cuda")
        )
        precision = _precision(upper[2], backbone or backbones.PIXELS, device)
    places |= {
        field: st.empty() for field in ("weights", "image_size", "precision", "device", "on_error")
    }
    try:
        own = str(access.typed_path(weights, "weights")) if weights.strip() else None
    except WannError as error:
        refuse(error, places)
        return None
    return Embedding(
        dataset,
        root,
        split,
        backbone or backbones.PIXELS,
        own,
        size,
        dtype,
        on_error,
        device,
        merge,
        precision,
    )


def _precision(place: DeltaGenerator, backbone: str, device: str) -> str:
    """The arithmetic of the model, or the reason why there is no choice."""
    reason = backbones.no_bfloat16(backbone, device)
    if reason is None:
        chosen = linked(
            place.selectbox,
            "Precision",
            key="embed_precision",
            options=list(_PRECISIONS),
            format_func=_PRECISIONS.__getitem__,
            help="Of the model's arithmetic. bfloat16 made kNN 0.4 and 1.2 points less accurate on "
            "two sets of small pictures, and changed the average precision of a label audit by "
            "0.007 at most.",
        )
        return str(chosen)
    # A control of its own: the choice is kept for another backbone.
    place.selectbox("Precision", ["float32"], key="embed_precision_fixed", disabled=True)
    place.caption(f"No choice: {reason}.")
    return "float32"

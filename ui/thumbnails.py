"""Images as thumbnails inside a page."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image


def data_uri(image: npt.NDArray[np.uint8]) -> str:
    """A PNG of one image of shape (height, width[, 3]) as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def grid(images: Sequence[npt.NDArray[np.uint8]], captions: Sequence[str]) -> None:
    """A grid of images, each with a line below it."""
    cells = "".join(
        f'<div class="wann-thumb"><img src="{data_uri(image)}" alt="{escape(caption)}">'
        f"<div>{escape(caption)}</div></div>"
        for image, caption in zip(images, captions, strict=True)
    )
    st.html(f'<div class="wann-thumbs">{cells}</div>')

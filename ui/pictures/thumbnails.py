"""Pictures of samples: the image, or a sparkline of the embedding where there is none."""

import base64
import io
import logging
import textwrap
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from ui.charts.short_names import shorten
from ui.pictures.row_values import text_of
from ui.shell import theme
from wann_core.datasets import Dataset
from wann_core.datasets.decoding import decode
from wann_core.datasets.images import ImageSplit
from wann_core.errors import WannError

_LOG = logging.getLogger(__name__)
_SPARK_POINTS = 48
_LETTERS = 200
_CAPTION = 92  # characters
_SIDE, _LOSSLESS = 160, 64  # pixels


def of_sample(dataset: Dataset, split: str, position: int, *, side: int = _SIDE) -> str:
    """Data URI of the picture of one sample; `position` counts in the source's split.

    It is made to fit into a square of `side` pixels, unless it is small already.
    """
    try:
        image = dataset.image(split, position, side=side)
        if image is not None:
            return _encoded(image)
    except WannError as error:
        _LOG.warning("no picture of %s row %d of %s: %s", split, position, dataset.name, error)
    rows = dataset.splits[split]
    words = text_of(rows.columns, dataset.roles.get("text", ()), position, _LETTERS)
    return _words(words) if words else _sparkline(rows.X[position])


def of_file(split: ImageSplit, row: int) -> str:
    """Data URI of an image that is not embedded yet; a cross where it cannot be read."""
    try:
        return _encoded(decode(split, row, None, side=_SIDE))
    except WannError:
        return _UNREADABLE


def _svg(content: str) -> str:
    """Data URI of a drawing on a square of 100 × 100."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">{content}</svg>'
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


_UNREADABLE = _svg('<path d="M30 30 70 70M70 30 30 70" stroke="#B3402E" stroke-width="6"/>')


def explain(dataset: Dataset) -> None:
    """A line below pictures that are none."""
    if dataset.images is None and dataset.roles.get("text"):
        st.caption("No images here: each picture is the beginning of the row's text.")
    elif dataset.images is None:
        reason = f" ({dataset.images_missing.rstrip('.')})" if dataset.images_missing else ""
        st.caption(
            f"No images here{theme.plain(reason)}: each line is an embedding, averaged over runs "
            "of dimensions."
        )


def _encoded(image: Image.Image) -> str:
    """A picture as a data URI: lossless if it is small, JPEG otherwise."""
    kind = "PNG" if max(image.size) <= _LOSSLESS else "JPEG"
    buffer = io.BytesIO()
    image.save(buffer, kind)
    code = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{code}"


def _words(text: str) -> str:
    """The beginning of a text, wrapped, as a picture."""
    lines = textwrap.wrap(" ".join(text.split()), 15, max_lines=7, placeholder=" …")
    spans = "".join(
        f'<tspan x="6" dy="12.5">{escape(line)}</tspan>' for line in lines if line.isprintable()
    )
    return _svg(
        f'<text y="6" font-family="sans-serif" font-size="10.5" fill="#7D8794">{spans}</text>'
    )


def _sparkline(embedding: npt.NDArray[Any]) -> str:
    """The embedding's mean in up to 48 runs of neighboring dimensions, as a line."""
    parts = np.array_split(embedding.astype(np.float64), min(_SPARK_POINTS, len(embedding)))
    heights = np.array([part.mean() for part in parts])
    span = np.ptp(heights) or 1.0
    x = np.linspace(2, 98, len(heights))
    y = 90 - 80 * (heights - heights.min()) / span
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return _svg(f'<polyline points="{points}" fill="none" stroke="#6F8FAF" stroke-width="2.5"/>')


def grid(pictures: Sequence[str], captions: Sequence[str], titles: Sequence[str] = ()) -> None:
    """A grid of pictures (data URIs), each with a line below it; `titles` hold what it cuts."""
    cells = "".join(
        f'<div class="wann-thumb"><img src="{picture}" alt="{theme.html(caption)}">'
        f'<div title="{theme.html(title)}">{theme.html(shorten(caption, _CAPTION))}</div></div>'
        for picture, caption, title in zip(pictures, captions, titles or captions, strict=True)
    )
    st.html(f'<div class="wann-thumbs">{cells}</div>')

"""Pictures of samples: the image, or a sparkline of the embedding where there is none."""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from wann_core.datasets import Dataset

_SPARK_POINTS = 48


def of_sample(dataset: Dataset, split: str, position: int) -> str:
    """Data URI of the picture of one sample; `position` counts in the source's split."""
    images = dataset.train_images if split == "train" else dataset.test_images
    if images is not None:
        return _png(images[position])
    X = dataset.X_train if split == "train" else dataset.X_test
    return _sparkline(X[position])


def _png(image: npt.NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _sparkline(embedding: npt.NDArray[Any]) -> str:
    """The embedding's mean in up to 48 runs of neighbouring dimensions, as a line."""
    parts = np.array_split(embedding.astype(np.float64), min(_SPARK_POINTS, len(embedding)))
    heights = np.array([part.mean() for part in parts])
    span = np.ptp(heights) or 1.0
    x = np.linspace(2, 98, len(heights))
    y = 90 - 80 * (heights - heights.min()) / span
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
        f'<polyline points="{points}" fill="none" stroke="#6F8FAF" stroke-width="2.5"/></svg>'
    )
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def grid(pictures: Sequence[str], captions: Sequence[str]) -> None:
    """A grid of pictures (data URIs), each with a line below it."""
    cells = "".join(
        f'<div class="wann-thumb"><img src="{picture}" alt="{escape(caption)}">'
        f"<div>{escape(caption)}</div></div>"
        for picture, caption in zip(pictures, captions, strict=True)
    )
    st.html(f'<div class="wann-thumbs">{cells}</div>')

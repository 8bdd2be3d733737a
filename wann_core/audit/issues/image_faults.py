"""Images that are unreadable, blank, tiny, dark, bright or blurred, by plain statistics."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from wann_core.datasets.decoding import decode
from wann_core.datasets.images import ImageSplit
from wann_core.errors import WannError
from wann_core.parallel import each
from wann_core.progress import Progress
from wann_core.typing import Array

PROPERTIES = ("side", "range", "dark_end", "bright_end", "sharpness")
# The most that a value may be for a fault, by its kind; brightness from 0 to 1.
THRESHOLDS = {
    "blank": 0.03,  # range of brightness
    "tiny": 0.25,  # side, in medians of the data set
    "dark": 0.25,  # brightness of the 99th percentile
    "bright": 0.22,  # 1 - brightness of the 1st percentile
    "blurred": -3.5,  # log sharpness, in robust deviations from the median
}
# What more images have is the nature of the data: X-rays are dark, digits lie on black.
_MOST_SHARE = 0.1
_SIDE = 128
_THUMBNAIL = 12
_LEAST_CONTRAST = 4.0  # of 255
_SMALLEST = 8  # pixels, of any data set
_BLOCK = 256


def image_properties(
    split: ImageSplit, rows: Sequence[int] | Array, progress: Progress | None = None
) -> tuple[pd.DataFrame, Array]:
    """Measure images: size, brightness, sharpness, and what they look like from afar.

    Parameters
    ----------
    split : ImageSplit
    rows : sequence of int
        Positions of the images in the split.
    progress : callable, optional
        Called now and then; may raise to stop.

    Returns
    -------
    table : DataFrame
        One row an image: side (root of the pixels as stored), range (99.5th less 0.5th percentile
        of brightness, 0 to 1), dark_end and bright_end (1st and 99th percentile), sharpness
        (variance of the Laplacian over that of the brightness, of the image in at most 128 × 128
        pixels), reason (why it cannot be read, '' if it can; the others are NaN then).
    thumbnails : ndarray of shape (n, 432), float32
        12 × 12 pixels in color, less their mean and of length 1: copies differ little, whatever
        their size, brightness and compression; 0 where there is nothing to see.
    """
    thumbnails = np.zeros((len(rows), 3 * _THUMBNAIL**2), np.float32)
    values = np.full((len(rows), len(PROPERTIES)), np.nan)
    reasons = [""] * len(rows)
    blocks = [range(at, min(at + _BLOCK, len(rows))) for at in range(0, len(rows), _BLOCK)]

    def measure(number: int) -> None:
        for at in blocks[number]:
            try:
                values[at] = _measured(split, int(rows[at]), thumbnails[at])
            except WannError as error:
                reasons[at] = str(error)

    def on_done(done: int) -> None:
        if progress is not None:
            progress(done, len(blocks), "measuring images")

    each(measure, range(len(blocks)), on_done)
    table = pd.DataFrame(values, columns=list(PROPERTIES))
    return table.assign(reason=reasons), thumbnails


def _measured(split: ImageSplit, row: int, thumbnail: Array) -> tuple[float, ...]:
    try:
        with split.open(row) as stored:
            side = float(np.sqrt(stored.width * stored.height))
    except Exception as error:  # damaged files raise many exceptions; see `decode`
        decode(split, row, "RGB", side=_SIDE)
        raise WannError("it cannot be read", "images") from error
    image = decode(split, row, "RGB", side=_SIDE)
    gray = np.asarray(image.convert("L"), np.float64) / 255
    small = image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    colors = np.asarray(small, np.float32).ravel()
    colors -= colors.mean()
    if colors.std() >= _LEAST_CONTRAST:
        thumbnail[:] = colors / np.linalg.norm(colors)
    low, first, last, high = np.percentile(gray, [0.5, 1, 99, 99.5])
    return side, high - low, first, last, _sharpness(gray)


def _sharpness(gray: Array) -> float:
    """How much of the variance lies in the finest detail; NaN where there is none at all."""
    if min(gray.shape) < 3 or gray.var() < 1e-6:
        return np.nan
    inner = gray[1:-1, 1:-1]
    laplacian = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * inner
    return float(laplacian.var() / gray.var())


def image_faults(
    properties: pd.DataFrame, thresholds: dict[str, float] | None = None
) -> dict[str, Array]:
    """Which images have each fault, shape (n,), bool.

    A kind that more than a tenth of the images would have is taken for the nature of the data and
    is not reported.

    Parameters
    ----------
    properties : DataFrame
        As `image_properties` answers, of the whole data set.
    thresholds : dict, optional
        Other values for some of `THRESHOLDS`.
    """
    at_most = {**THRESHOLDS, **(thresholds or {})}
    unreadable = (properties["reason"] != "").to_numpy()
    p = {name: properties[name].to_numpy(float) for name in PROPERTIES}
    with np.errstate(invalid="ignore", divide="ignore"):
        detail = np.log(p["sharpness"])
    usual = np.nanmedian(p["side"]) if (~unreadable).any() else 1.0
    found = {
        "blank": p["range"] <= at_most["blank"],
        "tiny": (p["side"] <= at_most["tiny"] * usual) | (p["side"] < _SMALLEST),
        "dark": p["bright_end"] <= at_most["dark"],
        "bright": 1 - p["dark_end"] <= at_most["bright"],
        "blurred": robust_deviations(detail) <= at_most["blurred"],
    }
    # What is blank is neither dark nor blurred beside that.
    for kind in ("dark", "bright", "blurred"):
        found[kind] = found[kind] & ~found["blank"]
    rare = {kind: rows & (rows.mean() <= _MOST_SHARE) for kind, rows in found.items()}
    return {"unreadable": unreadable, **rare}


def robust_deviations(values: Array, least: float = 1e-6) -> Array:
    """Robust deviations from the median; 0 where a value is missing.

    Parameters
    ----------
    values : ndarray of shape (n,)
    least : float
        The smallest spread that is taken for one.
    """
    known = np.isfinite(values)
    if known.sum() < 3:
        return np.zeros(len(values))
    middle = np.median(values[known])
    spread = 1.4826 * np.median(np.abs(values[known] - middle))
    scaled = (np.where(known, values, middle) - middle) / max(spread, least)
    return np.asarray(scaled)

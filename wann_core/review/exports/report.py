"""A review for people: one HTML file with pictures, labels, verdicts and notes."""

import io
from collections.abc import Callable
from typing import Any

import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError
from wann_core.review.exports.content import Exported, Review
from wann_core.review.rows import RowIndex


def review_html(review: Review) -> Exported:
    """`Audit.html` of a review's table, with the verdict in force and its note beside each row."""
    table = review.table
    picture = row_pictures(review.data, table)
    title = f"Label review: {review.data.name}"
    return Exported(review.ranked_by.html(table, title=title, picture=picture).encode(), len(table))


def row_pictures(
    data: Dataset, table: pd.DataFrame, side: int = 96
) -> Callable[[int], bytes | None] | None:
    """What draws a small JPEG of a row of a table; None without images.

    Parameters
    ----------
    data : Dataset
    table : DataFrame
        With split and row; its index, 0 to n - 1, names the rows.
    side : int
        Pixels of the longer side.
    """
    if data.images is None:
        return None
    index = RowIndex(data)
    at = index.find(table["split"].to_numpy(object), table["row"].to_numpy())

    def draw(row: int) -> bytes | None:
        try:
            image: Any = data.image(*index.locate(int(at[row])))
        except (WannError, OSError):
            return None  # an image that cannot be read has no picture, but its label is listed
        if image is None:
            return None
        image.thumbnail((side, side))
        file = io.BytesIO()
        image.convert("RGB").save(file, "JPEG", quality=75)
        return file.getvalue()

    return draw

"""One Parquet file of all that is known of each row, vectors included."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from wann_core.review.exports.content import Exported, Review, images_of
from wann_core.review.exports.weights import chance_wrong, training_weights
from wann_core.storage.tables import TEXT
from wann_core.text import shown


def full_parquet(review: Review) -> Exported:
    """Parquet of a review's table with everything a data browser can show.

    Besides the columns of `review_table`: `chance_wrong` (the audit's probability that the given
    label is wrong), `weight` (0 to 1, for training), `label` (class name after review; missing
    where the row was removed), `image` (path of the file, missing where there is none) and
    `embedding` (list of float32). `when` is a timestamp in UTC.
    """
    table, at = review.table, review.places
    action = table["action"].fillna("")
    label = table["new_label"].where(action == "relabel", table["given_label"])
    frame = table.assign(
        label=label.where(action != "remove"),
        chance_wrong=chance_wrong(review.ranked_by)[at],
        weight=training_weights(review)[at],
        when=pd.to_datetime(table["when"], utc=True, format="ISO8601"),
        image=pd.Series(_paths(review), dtype=TEXT),
    )
    columns = pa.Table.from_pandas(frame, preserve_index=False)
    vectors = _vectors(review)
    width = vectors.shape[1]
    offsets = pa.array(np.arange(len(vectors) + 1, dtype=np.int64) * width)
    lists = pa.LargeListArray.from_arrays(offsets, pa.array(vectors.ravel()))
    if vectors.size < 2**31:  # the offsets of the type that more programs read
        lists = lists.cast(pa.list_(pa.float32()))
    file = io.BytesIO()
    pq.write_table(columns.append_column("embedding", lists), file)
    return Exported(file.getvalue(), len(table))


def _vectors(review: Review) -> np.ndarray:
    """Embeddings as they were given, in the order of the table."""
    parts = [review.data.splits[name] for name in review.index.splits]
    X = np.concatenate([part.X[part.y >= 0] for part in parts])
    return np.ascontiguousarray(X[review.places], np.float32)


def _paths(review: Review) -> Sequence[str | None]:
    found: list[str | None] = []
    for position in review.places.tolist():
        split, place = review.index.locate(position)
        images = images_of(review.data, split)
        known = images is not None and images.files is not None
        path = str(images.root / images.files[place]) if known else None  # type: ignore[union-attr,index]
        # Names of files may be no text, which tables cannot hold.
        found.append(path and shown(path))
    return found

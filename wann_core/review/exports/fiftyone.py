"""`labels.json` for FiftyOne."""

import json
from pathlib import PurePosixPath

from wann_core.errors import WannError
from wann_core.review.exports.content import (
    Exported,
    Review,
    kept_images,
    missing_files,
    safe_path,
)


def fiftyone_labels(review: Review) -> Exported:
    """`labels.json` of FiftyOne's FiftyOneImageClassificationDataset.

    An object of `classes` and `labels`; a label's key is the image's path without its suffix,
    relative to the folder that FiftyOne is told as `data_path`. Removed rows and rows without a
    label are not in it; of files that differ in their suffix only, the first one is.

    Raises
    ------
    WannError
        If the images are no files.

    References
    ----------
    https://docs.voxel51.com/user_guide/import_datasets.html
    """
    reason = missing_files(review.data)
    if reason:
        raise WannError(reason, "format")
    labels: dict[str, int] = {}
    left_out = 0
    for row in kept_images(review):
        if not row.file:
            continue
        key = str(PurePosixPath(row.file).with_suffix("")) if safe_path(row.file) else ""
        if not key or key in labels:
            left_out += 1
            continue
        labels[key] = row.label
    content = {"classes": list(review.data.class_names), "labels": labels}
    return Exported(json.dumps(content, indent=1).encode(), len(labels), left_out)

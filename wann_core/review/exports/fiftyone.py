"""FiftyOne: `labels.json`, or all fields of each sample with the script that loads them."""

import json
from pathlib import PurePosixPath

from wann_core.errors import WannError
from wann_core.review.exports.content import (
    Bundle,
    Exported,
    Review,
    images_of,
    kept_images,
    missing_files,
    safe_path,
)

_SAMPLES, _LOADER = "samples.jsonl", "load_in_fiftyone.py"
_SCRIPT = """# Loads these labels into FiftyOne: python load_in_fiftyone.py [FOLDER OF THE IMAGES]
import json
import sys
from pathlib import Path

import fiftyone as fo

name, root = {name}, {root}
folder = Path(sys.argv[1] if len(sys.argv) > 1 else root)
samples = []
for line in (Path(__file__).parent / "samples.jsonl").read_text(encoding="utf-8").splitlines():
    row = json.loads(line)
    sample = fo.Sample(filepath=str(folder / row["file"]), tags=[row["split"]])
    for field in ("ground_truth", "original_label", "suggested_label"):
        sample[field] = row[field] and fo.Classification(label=row[field])
    for field in ("label_score", "verdict", "who", "verdict_note"):
        sample[field] = row[field]
    samples.append(sample)
dataset = fo.Dataset(name, overwrite=True, persistent=True)
dataset.add_samples(samples)
print(len(dataset), "samples; fiftyone app launch, then choose", name)
# The most doubtful first: dataset.sort_by("label_score")
# What is corrected in ground_truth comes back by samples.json of
# dataset.export(export_dir="back", dataset_type=fo.types.FiftyOneDataset, export_media=False,
#                rel_dir=str(folder))
"""


def fiftyone_labels(review: Review) -> Exported:
    """`labels.json` of FiftyOne's FiftyOneImageClassificationDataset.

    An object of `classes` and `labels`; a label's key is the image's path without its suffix,
    relative to the folder that FiftyOne gets as `data_path`. Removed rows and rows without a
    label are not in it; of files that differ in their suffix only, the first one is.

    Raises
    ------
    WannError
        If the images are not files.

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


def fiftyone_fields(review: Review) -> Bundle:
    """`samples.jsonl` of every image, and a script that makes a data set of FiftyOne of it.

    Fields are ground_truth (the label after review; none where the row was removed),
    original_label, suggested_label, label_score (0 is doubtful), verdict, who and verdict_note; the
    split is a tag.

    Raises
    ------
    WannError
        If the images are not files.
    """
    reason = missing_files(review.data)
    if reason:
        raise WannError(reason, "format")
    table = review.table.astype(object).where(review.table.notna(), None)
    lines, left_out, roots = [], 0, dict[str, None]()
    for position, row in zip(review.places.tolist(), table.to_dict("records"), strict=True):
        split, place = review.index.locate(position)
        images = images_of(review.data, split)
        file = "" if images is None or images.files is None else images.files[place]
        if images is None or not safe_path(file):
            left_out += 1
            continue
        roots[str(images.root)] = None
        label = row["new_label"] if row["action"] == "relabel" else row["given_label"]
        lines.append(
            json.dumps(
                {
                    "file": file,
                    "split": split,
                    "ground_truth": None if row["action"] == "remove" else label,
                    "original_label": row["given_label"],
                    "suggested_label": row["predicted_label"],
                    "label_score": row["label_score"],
                    "verdict": row["action"],
                    "who": row["who"],
                    "verdict_note": row["verdict_note"],
                }
            )
        )
    # As literals of Python, so that no name can become code.
    script = _SCRIPT.format(name=ascii(review.data.name), root=ascii(next(iter(roots), "")))
    files = {_SAMPLES: "\n".join(lines).encode() + b"\n", _LOADER: script.encode()}
    return Bundle(files, len(lines), left_out)

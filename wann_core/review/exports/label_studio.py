"""Tasks and labeling interface for Label Studio."""

import base64
import io
import json
import shlex
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError
from wann_core.review.exports.content import (
    Exported,
    Review,
    images_of,
    missing_images,
    safe_path,
)

LOCAL_FILES = "/data/local-files/?d="
# Images of an array travel inside the tasks.
MOST_EMBEDDED = 2000
WIDEST = 480  # pixels of an image on the labeling page
DECISIONS = ("remove", "unsure")
_SENT = (
    "split",
    "row",
    "name",
    "given_label",
    "predicted_label",
    "label_score",
    "action",
    "who",
    "verdict_note",
)


def label_studio_tasks(review: Review) -> Exported:
    """Tasks for Label Studio, most doubtful first, for a project of `label_studio_config`.

    The predicted label is each task's prediction; its score is the label's, so that Label Studio's
    "uncertainty sampling" asks for the most doubtful first. A verdict 'keep' or 'relabel' is the
    task's annotation, 'remove' a canceled one, 'unsure' none. Files are named as Label Studio
    serves them when the folder of the images is a Local files storage and the folder above it the
    document root; see `label_studio_recipe`. Rows of an array travel as PNG inside their task.

    Raises
    ------
    WannError
        If there are no images, or more than 2,000 of them would have to travel.

    References
    ----------
    https://labelstud.io/guide/task_format
    """
    data, table = review.data, review.table
    reason = missing_images(data) or too_many(data, table)
    if reason:
        raise WannError(reason, "format")
    columns = {str(name): table[name].tolist() for name in table}
    tasks = []
    for i, position in enumerate(review.places.tolist()):
        url = _url(data, *review.index.locate(position)) if position >= 0 else ""
        if url:
            tasks.append(_task({name: values[i] for name, values in columns.items()}, url))
    content = json.dumps(tasks, indent=1).encode()
    return Exported(content, len(tasks), len(table) - len(tasks))


def label_studio_config(class_names: tuple[str, ...]) -> str:
    """The labeling interface that the tasks are made for.

    Besides the classes it offers to remove an image or to leave it as unsure; `read_incoming`
    understands both.
    """
    choices, decisions = (
        "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in names)
        for names in (class_names, DECISIONS)
    )
    image = f'<Image name="image" value="$image" width="100%" maxWidth="{WIDEST}px"/>'
    return (
        f"<View>\n  {image}\n"
        f'  <Choices name="label" toName="image" choice="single">\n{choices}\n  </Choices>\n'
        f'  <Choices name="decision" toName="image" choice="single" showInline="true">\n'
        f"{decisions}\n  </Choices>\n</View>"
    )


def label_studio_recipe(data: Dataset) -> str:
    """How Label Studio is started and set up so that it finds the images; '' for arrays."""
    roots = {split.root.resolve() for split in _file_splits(data)}
    if not roots:
        return ""
    root = sorted(roots)[0]
    above = shlex.quote(str(root.parent))
    return (
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true "
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={above} label-studio start; then, in the "
        "project: labeling interface = label-studio.xml, Cloud storage → Local files → "
        f"{root} (add it, do not sync), and import the tasks."
    )


def too_many(data: Dataset, table: pd.DataFrame) -> str:
    """Why this many rows cannot be tasks; '' if they can."""
    files = {name for name in data.splits if (i := images_of(data, name)) and i.files is not None}
    embedded = int((~table["split"].isin(files)).sum())
    if embedded <= MOST_EMBEDDED:
        return ""
    return (
        f"the images of {data.name!r} are rows of an array and would travel inside the tasks; "
        f"at most {MOST_EMBEDDED:,} can, got {embedded:,}."
    )


def _file_splits(data: Dataset) -> list[Any]:
    found = (images_of(data, name) for name in data.splits)
    return [images for images in found if images is not None and images.files is not None]


def _task(row: dict[str, Any], url: str) -> dict[str, Any]:
    """One row as a task; values that JSON cannot hold are left out."""
    kept = (*_SENT, "when")
    known = {name: row[name] for name in kept if name in row and not pd.isna(row[name])}
    task: dict[str, Any] = {"data": {"image": url, **known}}
    prediction = {"model_version": row["score_name"], "result": [_choice(row["predicted_label"])]}
    if not pd.isna(row.get("label_score", np.nan)):
        prediction["score"] = float(row["label_score"])
    task["predictions"] = [prediction]
    action = row["action"]
    if action in ("keep", "relabel"):
        label = row["new_label"] if action == "relabel" else row["given_label"]
        task["annotations"] = [{"result": [_choice(label)]}]
    elif action == "remove":
        task["annotations"] = [{"result": [], "was_cancelled": True}]
    return task


def _choice(label: str) -> dict[str, Any]:
    value = {"choices": [label]}
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": value}


def _url(data: Dataset, split: str, place: int) -> str:
    """Where Label Studio finds an image, or the image itself; '' if it cannot be named or read."""
    images = images_of(data, split)
    if images is not None and images.files is not None:
        file = images.files[place]
        inside = f"{images.root.resolve().name}/{file}"
        return LOCAL_FILES + quote(inside) if safe_path(file) else ""
    try:
        image = data.image(split, place)
    except WannError:
        return ""
    if image is None:
        return ""
    image.thumbnail((WIDEST, WIDEST))
    png = io.BytesIO()
    image.save(png, "png")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"

"""Reviewed labels for other programs: tables, image folders, FiftyOne, Label Studio."""

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError
from wann_core.experiments import records
from wann_core.review.corrections import Corrected, positions_of
from wann_core.review.verdict import SPLITS
from wann_core.storage.files import write_atomically

LOCAL_FILES = "/data/local-files/?d="
# Images of an array travel inside the tasks.
MOST_EMBEDDED = 2000


@dataclass(frozen=True)
class Exported:
    """A file to be: its bytes, the rows in it, and how many rows could not go along.

    Those are of files whose name is no safe relative path, or that the format cannot tell apart.
    """

    content: bytes
    rows: int
    left_out: int = 0

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        write_atomically(path, lambda file: file.write(self.content))


def review_table(ranked: pd.DataFrame, verdicts: pd.DataFrame, score_name: str) -> pd.DataFrame:
    """A ranking with the verdict in force beside each row.

    Parameters
    ----------
    ranked : DataFrame
        With split and row; an audit's `ranked()`, all or a part of it.
    verdicts : DataFrame
        As `Ledger.verdicts` answers.
    score_name : str
        What gave `label_score`.

    Returns
    -------
    DataFrame
        The same rows and columns, and score_name, action, new_label, who and when; the last four
        are missing where nobody has judged.
    """
    columns = ["split", "row", "action", "new_label", "who", "when"]
    table = ranked.assign(score_name=score_name)
    return table.merge(verdicts[columns], "left", on=["split", "row"], validate="one_to_one")


def csv_of(table: pd.DataFrame) -> Exported:
    """CSV of a `review_table`; no cell is a spreadsheet formula."""
    return Exported(records.to_csv(table).encode(), len(table))


def parquet_of(table: pd.DataFrame) -> Exported:
    """Parquet of a `review_table`."""
    return Exported(records.to_parquet(table), len(table))


def image_folder_metadata(after: Corrected, verdicts: pd.DataFrame) -> Exported:
    """`metadata.csv` of an image folder, as Hugging Face's datasets and our own loader read it.

    It goes into the folder of the images. Columns are file_name (relative to it), label, split,
    original_label and action; removed rows and rows without a label are not in it. A file name that
    a spreadsheet would run gets './' in front; a label gets an apostrophe.

    Raises
    ------
    WannError
        If the images are no files.
    """
    actions = dict(
        zip(zip(verdicts["split"], verdicts["row"], strict=True), verdicts["action"], strict=True)
    )
    names = after.data.class_names
    lines, left_out = [], 0
    for name, place, file in _kept_files(after):
        if not _safe(file):
            left_out += 1
            continue
        split = after.data.splits[name]
        lines.append(
            {
                "file_name": file if file[0] not in "=+-@" else f"./{file}",
                "label": names[after.labels[name][place]],
                "split": name,
                "original_label": names[split.y[place]],
                "action": actions.get((name, int(split.ids[place])), ""),
            }
        )
    columns = ["file_name", "label", "split", "original_label", "action"]
    table = pd.DataFrame(lines, columns=columns)
    return Exported(records.to_csv(table).encode(), len(table), left_out)


def fiftyone_labels(after: Corrected) -> Exported:
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
    labels: dict[str, int] = {}
    left_out = 0
    for name, place, file in _kept_files(after):
        key = str(PurePosixPath(file).with_suffix("")) if _safe(file) else ""
        if not key or key in labels:
            left_out += 1
            continue
        labels[key] = int(after.labels[name][place])
    content = {"classes": list(after.data.class_names), "labels": labels}
    return Exported(json.dumps(content, indent=1).encode(), len(labels), left_out)


def label_studio_tasks(
    data: Dataset, table: pd.DataFrame, *, prefix: str = LOCAL_FILES
) -> Exported:
    """Tasks for Label Studio, in the order of the table, for a project of `label_studio_config`.

    The predicted label is each task's prediction; a verdict 'keep' or 'relabel' is its annotation,
    'remove' a cancelled one, 'unsure' none. Files are named by their path in the folder of the
    images, which Label Studio must serve as its document root; rows of an array travel as PNG
    inside their task.

    Parameters
    ----------
    data : Dataset
    table : DataFrame
        A `review_table`.
    prefix : str
        What goes before the quoted path of a file.

    Raises
    ------
    WannError
        If there are no images, or more than 2,000 of them would have to travel.

    References
    ----------
    https://labelstud.io/guide/task_format
    """
    if data.images is None:
        raise WannError(
            f"the images of {data.name!r} are not known. {data.images_missing}".strip(), "format"
        )
    arrays = [split for split in table["split"].unique() if _files(data, split) is None]
    embedded = int(table["split"].isin(arrays).sum())
    if embedded > MOST_EMBEDDED:
        raise WannError(
            f"the images of {data.name!r} are rows of an array and would travel inside the tasks; "
            f"at most {MOST_EMBEDDED:,} can, got {embedded:,}.",
            "format",
        )
    places = np.full(len(table), -1)
    for name, split in data.splits.items():
        mine = np.flatnonzero(table["split"] == name)
        places[mine] = positions_of(split, table["row"].to_numpy(np.int64)[mine])
    columns = {str(name): table[name].tolist() for name in table}
    tasks = []
    for i, place in enumerate(places.tolist()):
        row = {name: values[i] for name, values in columns.items()}
        url = _url(data, row["split"], place, prefix) if place >= 0 else ""
        if url:
            tasks.append(_task(row, url))
    content = json.dumps(tasks, indent=1).encode()
    return Exported(content, len(tasks), len(table) - len(tasks))


def label_studio_config(class_names: tuple[str, ...]) -> str:
    """The labeling interface that the tasks are made for."""
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in class_names)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <Choices name="label" toName="image" choice="single">\n{choices}\n  </Choices>\n</View>'
    )


def _task(row: dict[str, Any], url: str) -> dict[str, Any]:
    """One row as a task; values that JSON cannot hold are left out."""
    kept = ("split", "row", "name", "given_label", "label_score", "action", "who", "when")
    known = {name: row[name] for name in kept if name in row and not pd.isna(row[name])}
    task: dict[str, Any] = {"data": {"image": url, **known}}
    prediction: dict[str, Any] = {
        "model_version": row["score_name"],
        "result": [_choice(row["predicted_label"])],
    }
    if not pd.isna(row.get("predicted_share", np.nan)):
        prediction["score"] = float(row["predicted_share"])
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


def _url(data: Dataset, split: str, place: int, prefix: str) -> str:
    """Where an image is, or the image itself; '' if it cannot be named or read."""
    files = _files(data, split)
    if files is not None:
        return prefix + quote(files[place]) if _safe(files[place]) else ""
    try:
        image = data.image(split, place)
    except WannError:
        return ""
    if image is None:
        return ""
    png = io.BytesIO()
    image.save(png, "png")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def _files(data: Dataset, split: str) -> Any:
    images = data.images.splits.get(split) if data.images else None
    return None if images is None else images.files


def _kept_files(after: Corrected) -> Iterator[tuple[str, int, str]]:
    """Split, position and file of every row that has a label and was not removed."""
    data = after.data
    if not any(_files(data, name) is not None for name in data.splits):
        why = data.images_missing or "They are rows of an array, or not known."
        raise WannError(f"the images of {data.name!r} are no files. {why}", "format")
    for name in SPLITS:
        files = _files(data, name)
        if files is not None:
            kept = after.keep[name] & (data.splits[name].y >= 0)
            for place in np.flatnonzero(kept).tolist():
                yield name, place, files[place]


def _safe(file: str) -> bool:
    """Whether a name is a plain path inside its folder, for every program that reads it."""
    path = PurePosixPath(file)
    inside = path.name and not path.is_absolute() and ".." not in path.parts and "\\" not in file
    return bool(inside) and file.isprintable() and ":" not in file

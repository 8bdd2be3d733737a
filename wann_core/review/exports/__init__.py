"""Reviewed labels for other programs: one file a format, one registry for page and command."""

from collections.abc import Callable
from dataclasses import dataclass

from wann_core.datasets.dataset import Dataset
from wann_core.errors import check_choice
from wann_core.review.corrections import injected_reason, refuse_injected
from wann_core.review.exports.content import (
    Bundle,
    Exported,
    Review,
    missing_files,
    missing_images,
    review_table,
)
from wann_core.review.exports.fiftyone import fiftyone_fields, fiftyone_labels
from wann_core.review.exports.label_studio import label_studio_config, label_studio_tasks
from wann_core.review.exports.metadata import metadata_files
from wann_core.review.exports.parquet import full_parquet
from wann_core.review.exports.ranking import ranking_csv
from wann_core.review.exports.report import review_html
from wann_core.review.exports.weights import weights_csv, weights_npz

__all__ = ["FORMATS", "Bundle", "Exported", "Format", "Review", "export", "review_table"]


@dataclass(frozen=True)
class Format:
    """A way out.

    Attributes
    ----------
    title : str
        For people.
    file_name : str
        What its file is usually called.
    what : str
        What is in it, in a sentence.
    write : callable
        From a `Review` to an `Exported` or a `Bundle`.
    ranked : bool
        Whether it lists rows by doubt and so needs an audit.
    missing : callable
        From a data set to the reason why the format cannot serve it; '' if it can.
    practice : bool
        Whether it may be written of labels that were made wrong on purpose: it marks them, or
        holds none.
    """

    title: str
    file_name: str
    what: str
    write: Callable[[Review], Exported | Bundle]
    ranked: bool = False
    missing: Callable[[Dataset], str] = lambda data: ""
    practice: bool = False

    def refusal(self, data: Dataset) -> str:
        """Return why the format cannot be written of a data set; '' if it can."""
        return ("" if self.practice else injected_reason(data)) or self.missing(data)


def _interface(review: Review) -> Exported:
    return Exported(label_studio_config(review.data.class_names).encode(), 0)


FORMATS: dict[str, Format] = {
    "csv": Format(
        "Table as CSV",
        "review.csv",
        "One row a sample: labels, score, evidence, verdict.",
        ranking_csv,
        ranked=True,
        practice=True,
    ),
    "parquet": Format(
        "Table as Parquet",
        "review.parquet",
        "The same with types, and embedding, path of the image, chance that the label is wrong, "
        "weight.",
        full_parquet,
        ranked=True,
        practice=True,
    ),
    "html": Format(
        "Report as HTML",
        "review.html",
        "One page to read: the estimate, and picture, labels, verdict and note of the first 200 "
        "rows.",
        review_html,
        ranked=True,
    ),
    "metadata": Format(
        "ImageFolder metadata",
        "metadata.zip",
        "A metadata.csv for each split folder: corrected labels beside the image files, as Hugging "
        "Face's datasets read them. All rows but the removed ones.",
        metadata_files,
        missing=missing_files,
    ),
    "fiftyone": Format(
        "FiftyOne labels",
        "labels.json",
        "labels.json for FiftyOneImageClassificationDataset. All rows but the removed ones.",
        fiftyone_labels,
        missing=missing_files,
    ),
    "fiftyone-fields": Format(
        "FiftyOne data set",
        "fiftyone.zip",
        "Label before and after review, suggestion, score and verdict of each image as fields, and "
        "a script that loads them.",
        fiftyone_fields,
        ranked=True,
        missing=missing_files,
    ),
    "labelstudio": Format(
        "Label Studio tasks",
        "label-studio.json",
        "JSON: suggestions as predictions, verdicts as annotations.",
        label_studio_tasks,
        ranked=True,
        missing=missing_images,
    ),
    "labelstudio-interface": Format(
        "Label Studio interface",
        "label-studio.xml",
        "XML: the labeling interface for the tasks.",
        _interface,
        practice=True,
    ),
    "weights": Format(
        "Weights for training as CSV",
        "weights.csv",
        "split, row, name, corrected label, and a weight from 0 to 1 for sample_weight.",
        weights_csv,
        ranked=True,
    ),
    "weights-npz": Format(
        "Weights for training as .npz",
        "weights.npz",
        "The same as arrays.",
        weights_npz,
        ranked=True,
    ),
}


def export(name: str, review: Review) -> Exported | Bundle:
    """Make the file or files of a format.

    Parameters
    ----------
    name : str
        A key of `FORMATS`.
    review : Review

    Raises
    ------
    WannError
        If there is no such format, or it cannot serve this data set.
    """
    check_choice("format", name, tuple(FORMATS))
    form = FORMATS[name]
    if review.data.injected and not form.practice:
        refuse_injected(review.data)
    return form.write(review)

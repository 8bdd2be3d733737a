"""Verdicts out of FiftyOne's labels.json and samples.json."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wann_core.datasets.sources.peer_tables import classification_field
from wann_core.datasets.tables import Limits
from wann_core.errors import WannError
from wann_core.review.imports.kinds import LIMITS
from wann_core.review.matching import Answer
from wann_core.review.verdict import MOST_NOTE, Verdict


def of_samples(content: Mapping[str, Any], limits: Limits = LIMITS) -> list[Answer]:
    """Verdicts in samples.json of a FiftyOneDataset; its ground truth is read as by `of_labels`.

    Raises
    ------
    WannError
        If the samples have no one field of labels.
    """
    samples = content["samples"]
    if not isinstance(samples, list) or not all(isinstance(one, dict) for one in samples):
        raise WannError("`samples` of a FiftyOneDataset must be a list of objects.", "path")
    try:
        field = classification_field(samples)
    except WannError as error:
        raise WannError(str(error), "path") from error
    labels = {str(one.get("filepath")): one.get(field) for one in samples}
    notes = {str(one.get("filepath")): one.get("verdict_note") for one in samples}
    found = of_labels({"classes": None, "labels": labels}, limits)
    return [_with_note(answer, notes[answer.verdict.id]) for answer in found]


def _with_note(answer: Answer, note: Any) -> Answer:
    if not isinstance(note, str):
        return answer
    return replace(answer, verdict=replace(answer.verdict, note=note[:MOST_NOTE]))


def of_labels(content: Mapping[str, Any], limits: Limits = LIMITS) -> list[Answer]:
    """The verdicts in a FiftyOneImageClassificationDataset.

    Every image is listed, so a label equal to ours is no verdict. Images are identified by path, or
    by their name where that is one of its kind; images that are not listed stay as they are.

    Raises
    ------
    WannError
        If a label is not a class of the file.
    """
    classes, labels = content["classes"], content["labels"]
    limits.check(rows=len(labels))
    if classes is not None and not isinstance(classes, list):
        raise WannError("`classes` of FiftyOne's labels.json must be a list.", "path")
    found = []
    for name, value in labels.items():
        if isinstance(value, dict):
            value = value.get("label")
        if value is None:
            continue
        if isinstance(value, int) and classes is not None and 0 <= value < len(classes):
            value = classes[value]
        if not isinstance(value, str):
            raise WannError(
                f"the label of {name[:200]!r} must be a class of the file, got {value!r}.", "path"
            )
        verdict = Verdict("train", -1, "", "keep", id=name)
        found.append(Answer(verdict, label=value, silent=True))
    return found

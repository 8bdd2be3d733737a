"""Verdicts out of Label Studio's exports: JSON, JSON-MIN and CSV."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.records import read_columns
from wann_core.errors import WannError
from wann_core.review.exports.label_studio import DECISIONS
from wann_core.review.imports.kinds import LIMITS, as_utf8
from wann_core.review.matching import Answer
from wann_core.review.verdict import SPLITS, Verdict

_LABELS = ("label", "choice")
_COLUMNS = (
    "annotation_id",
    "annotator",
    "updated_at",
    "image",
    "split",
    "row",
    "name",
    "given_label",
    "predicted_label",
    "label_score",
    "decision",
    *_LABELS,
)


def of_json(content: Sequence[Any], limits: Limits = LIMITS) -> list[Answer]:
    """The verdicts in a JSON or JSON-MIN export; the latest annotation of each task counts.

    A chosen class is the label of the sample: keep where it is the given one, else relabel. The
    decision 'remove' of our interface, and a canceled annotation of a task that went out as
    removed, is remove; another skipped task, and the decision 'unsure', is unsure.

    Raises
    ------
    WannError
        If a task is not as Label Studio writes it, or there is no annotation.
    """
    limits.check(rows=len(content))
    latest: dict[Any, Mapping[str, Any]] = {}
    for number, task in enumerate(content):
        if not isinstance(task, dict):
            raise WannError(f"task {number} (counted from 0) is not an object.", "path")
        for row in _annotations(task) if isinstance(task.get("data"), dict) else [task]:
            key = _key(row, number)
            if key not in latest or str(row.get("updated_at")) >= str(latest[key]["updated_at"]):
                latest[key] = {"updated_at": "", **row}
    return list(_answers(latest.values()))


def of_table(path: Path, limits: Limits = LIMITS) -> list[Answer]:
    """The same of a CSV export."""
    with as_utf8(path) as (plain, _):
        found = read_columns(plain, _COLUMNS, limits=limits)
    names = list(found)
    rows = [
        {name: value for name, value in zip(names, values, strict=True) if value}
        for values in zip(*found.values(), strict=True)
    ]
    return of_json(rows, limits)


def _annotations(task: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One flat row an annotation, as JSON-MIN has them."""
    annotations = task.get("annotations", task.get("completions", []))
    for annotation in annotations if isinstance(annotations, list) else []:
        if not isinstance(annotation, dict):
            continue
        row = {**task["data"], "updated_at": annotation.get("updated_at") or ""}
        row["annotator"] = annotation.get("completed_by")
        row["canceled"] = bool(annotation.get("was_cancelled"))
        for name in (*_LABELS, "decision"):
            row.pop(name, None)
        for part in annotation.get("result") or []:
            value = part.get("value") if isinstance(part, dict) else None
            choices = value.get("choices") if isinstance(value, dict) else None
            if isinstance(choices, list) and choices:
                row[str(part.get("from_name"))] = choices[0] if len(choices) == 1 else choices
        yield row


def _key(row: Mapping[str, Any], number: int) -> Any:
    """The identity of a task."""
    if "row" in row and "split" in row:
        return str(row["split"]), str(row["row"])
    return row.get("image") or row.get("id") or number


def _answers(rows: Any) -> Iterator[Answer]:
    found = False
    for row in rows:
        answer = _answer(row)
        if answer is not None:
            found = True
            yield answer
    if not found:
        raise WannError(
            "no task of the export has an annotation with a class: choose classes in Label Studio "
            "first, by a control called 'label'.",
            "path",
        )


def _answer(row: Mapping[str, Any]) -> Answer | None:
    number = str(row.get("row", ""))
    by_row = row.get("split") in SPLITS and number.isdecimal() and len(number) < 19
    label = next((row[name] for name in _LABELS if row.get(name)), None)
    if isinstance(label, dict):  # several choices at once
        label = label.get("choices")
    decision = str(row.get("decision") or "")
    if isinstance(label, list):  # two classes at once are not an answer
        label, decision = None, decision or "unsure"
    if row.get("canceled") and decision != "remove":
        decision = "remove" if row.get("action") == "remove" else "unsure"
    given = decision in DECISIONS
    if not given and not isinstance(label, str):
        return None
    verdict = Verdict(
        split=str(row["split"]) if by_row else "train",
        row=int(number) if by_row else -1,
        given_label=str(row.get("given_label") or ""),
        action=decision if given else "keep",
        id=str(row.get("name") or ("" if by_row else _path_of(row))),
        score=_score(row.get("label_score")),
        predicted_label=str(row["predicted_label"]) if row.get("predicted_label") else None,
    )
    return Answer(verdict, _who(row), None if given else str(label))


def _path_of(row: Mapping[str, Any]) -> str:
    """The path of a task's image, however it is served."""
    url = next((v for v in (row.get("image"), *row.values()) if _is_url(v)), "")
    parts = urlsplit(url)
    return parse_qs(parts.query).get("d", [unquote(parts.path)])[0].lstrip("/")


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and "/" in value and not value.startswith("data:")


def _score(value: Any) -> float | None:
    try:
        return None if value in (None, "") else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _who(row: Mapping[str, Any]) -> str:
    by = row.get("annotator")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    return f"Label Studio user {by}"[:200] if by else ""

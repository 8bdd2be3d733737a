"""A verdict about the label of one sample, and what it may hold."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from wann_core.datasets.dataset import LABELED
from wann_core.errors import WannError, check_choice, check_number
from wann_core.text import first_few

ACTIONS = ("keep", "relabel", "remove", "unsure")
SPLITS = LABELED

_MOST_ROW = 2**63 - 1
MOST_NOTE = 2000  # characters
_LONGEST = {"id": 4096, "given_label": 4096, "score_name": 200, "note": MOST_NOTE}


@dataclass(frozen=True)
class Verdict:
    """A person's decision on the label of one sample.

    Attributes
    ----------
    split : {'train', 'val', 'test'}
    row : int
        Row id in the split's source, as in the audit's table.
    given_label : str
        Class name that the sample had when it was judged.
    action : {'keep', 'relabel', 'remove', 'unsure'}
    new_label : str or None
        Class name, under 'relabel' only.
    id : str
        The source's own name of the row; '' where it has none.
    score : float or None
        How doubtful the label was, 0 to 1.
    score_name : str
        What gave the score.
    predicted_label : str or None
        Class name that was proposed.
    note : str
        The person's note.
    """

    split: str
    row: int
    given_label: str
    action: str
    new_label: str | None = None
    id: str = ""
    score: float | None = None
    score_name: str = ""
    predicted_label: str | None = None
    note: str = ""


FIELDS = tuple(field.name for field in fields(Verdict))
_NEEDED = ("split", "row", "given_label", "action")


def of_frame(rows: pd.DataFrame) -> list[Verdict]:
    """The rows of a table whose columns are called as the fields of `Verdict`.

    Raises
    ------
    WannError
        If one of split, row, given_label and action is missing.
    """
    missing = [name for name in _NEEDED if name not in rows]
    if missing:
        raise WannError(f"verdicts need the columns {', '.join(missing)}.", missing[0])
    found = [name for name in FIELDS if name in rows]
    defaults = {"id": "", "score_name": "", "note": ""}
    columns = [
        [
            defaults.get(name) if unknown else value
            for value, unknown in zip(rows[name].tolist(), rows[name].isna(), strict=True)
        ]
        for name in found
    ]
    return [
        Verdict(**dict(zip(found, values, strict=True))) for values in zip(*columns, strict=True)
    ]


def checked(verdict: Verdict, class_names: Sequence[str] = ()) -> tuple[Any, ...]:
    """A verdict's values in the order of `FIELDS`, plain numbers and text.

    Parameters
    ----------
    verdict : Verdict
    class_names : sequence of str
        Allowed new labels; none are refused if it is empty.

    Raises
    ------
    WannError
        If a value is not allowed; its field names the value.
    """
    check_choice("split", verdict.split, SPLITS)
    check_number("row", verdict.row, 0, _MOST_ROW, whole=True)
    check_choice("action", verdict.action, ACTIONS)
    check_text("id", verdict.id, _LONGEST["id"])
    check_text("score_name", verdict.score_name, _LONGEST["score_name"])
    check_text("note", verdict.note, _LONGEST["note"])
    check_text("given_label", verdict.given_label, _LONGEST["given_label"])
    if verdict.predicted_label is not None:
        check_text("predicted_label", verdict.predicted_label, _LONGEST["given_label"])
    if verdict.action == "relabel":
        _check_new_label(verdict, class_names)
    elif verdict.new_label is not None:
        raise WannError(
            f"`new_label` goes with the action relabel only, got {verdict.new_label!r} with "
            f"{verdict.action}.",
            "new_label",
        )
    return (
        verdict.split,
        int(verdict.row),
        verdict.given_label,
        verdict.action,
        verdict.new_label,
        verdict.id,
        _number(verdict.score),
        verdict.score_name,
        verdict.predicted_label,
        verdict.note,
    )


def _number(score: Any) -> float | None:
    if score is None:
        return None
    real = isinstance(score, numbers.Real) and not isinstance(score, bool)
    if not real or not math.isfinite(score):
        raise WannError(f"`score` must be a finite number, got {score!r}.", "score")
    return float(score)


def _check_new_label(verdict: Verdict, class_names: Sequence[str]) -> None:
    if verdict.new_label is None:
        raise WannError(
            "`new_label` must be a class under the action relabel, got none.", "new_label"
        )
    check_text("new_label", verdict.new_label, _LONGEST["given_label"])
    if verdict.new_label == verdict.given_label:
        raise WannError(
            f"`new_label` must differ from the given label {verdict.given_label!r}; "
            "take the action keep.",
            "new_label",
        )
    if class_names and verdict.new_label not in class_names:
        few = first_few(class_names, 10)
        raise WannError(
            f"`new_label` must be a class of the data set ({few}), got {verdict.new_label!r}.",
            "new_label",
        )


def check_text(name: str, value: Any, longest: int, *, empty: bool = True) -> None:
    """Raise `WannError` unless `value` is text that UTF-8 and SQLite can hold."""
    if not isinstance(value, str) or len(value) > longest or not (empty or value.strip()):
        least = "" if empty else "non-empty "
        shown = repr(value)[:60]
        raise WannError(
            f"`{name}` must be {least}text of at most {longest} characters, got {shown}.", name
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WannError(f"`{name}` must be valid text, got {value[:60]!r}.", name) from None
    if "\0" in value:
        raise WannError(f"`{name}` must not hold the NUL character.", name)

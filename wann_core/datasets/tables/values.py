"""A user's values as text, and labels as class ids."""

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from wann_core.datasets.class_names import look_alike
from wann_core.datasets.npz_files import MAX_CLASSES
from wann_core.datasets.tables.source import Coded, shorten
from wann_core.errors import WannError
from wann_core.typing import Array

_LONGEST = {"label": 200, "clean_label": 200, "split": 200, "image": 4096, "id": 4096}
# Words that stand for a missing value, in lower case.
_MARKS = frozenset(("na", "n/a", "#n/a", "<na>", "null", "none", "nat", "-"))
_LISTS = ",;|"
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def texts(coded: Coded, what: str) -> dict[int, str]:
    """The values that some row holds, as text without blanks around it, by their code.

    Whole numbers lose their decimals; missing and empty values are left out.

    Raises
    ------
    WannError
        If a value is not text, a number or a boolean, too long, or not valid UTF-8 without NUL.
    """
    found = {}
    for code in coded.used():
        value = coded.values[code]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            continue
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, bool | int | float | str):
            raise WannError(
                f"the {what} column must hold text or numbers, got {shorten(value)!r}.", what
            )
        text = str(value).strip()
        if len(text) > _LONGEST[what]:
            raise WannError(
                f"the {what} column may hold texts of at most {_LONGEST[what]} characters, got one "
                f"of {len(text)}, which starts with {shorten(text)!r}.",
                what,
            )
        # Lone surrogates cannot be written as UTF-8.
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise WannError(
                f"the {what} column must hold valid text without NUL, got {shorten(text)!r}.", what
            )
        if text and text.lower() != "nan":
            found[code] = text
    return found


def class_ids(
    n: int, label: Coded | None, clean: Coded | None
) -> tuple[Array, Array | None, tuple[str, ...], tuple[str, ...]]:
    """Labels and clean labels as ids of one list of classes.

    Returns
    -------
    y : ndarray of shape (n,), int64
        -1 where there is no label.
    clean : ndarray of shape (n,), int64, or None
    class_names : tuple of str, length C
    remarks : tuple of str
        What of the labels was understood in one of several ways, as sentences.

    Raises
    ------
    WannError
        If labels are numbers that are not whole, or there are too many classes.
    """
    given = {} if label is None else texts(label, "label")
    true = {} if clean is None else texts(clean, "clean_label")
    # Text to class name; not one to one: '3.0' in one column is '3' in the other.
    names, remarks = class_of({*given.values(), *true.values()})
    classes = list(dict.fromkeys(name for name in names.values() if name is not None))
    if len(classes) > MAX_CLASSES:
        raise WannError(
            f"there may be at most {MAX_CLASSES} classes, the labels have {len(classes)} different "
            "values (is this column an id?).",
            "label",
        )
    ids = {text: -1 if name is None else classes.index(name) for text, name in names.items()}

    def lookup(coded: Coded, found: dict[int, str]) -> Array:
        table = np.full(len(coded.values) + 1, -1, dtype=np.int64)  # code -1 finds the last
        for code, text in found.items():
            table[code] = ids[text]
        return table[coded.codes]

    y = np.full(n, -1, dtype=np.int64) if label is None else lookup(label, given)
    y_clean = None if clean is None else lookup(clean, true)
    return y, y_clean, tuple(classes), (*remarks, *look_alike(classes), *several_a_row(classes))


def class_of(labels: Iterable[str]) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """The class that each label means, in the order of classes; None where it means none.

    Whole numbers are classes by value, whatever their decimals, and -1 among others means that
    there is no label (unless -1 and 1 are all). Words for a missing value, as 'NA' or 'None', mean
    it among numbers; among other words each is a class like any other.

    Returns
    -------
    classes : dict of str to str or None
    remarks : tuple of str
        Sentences on what else somebody may have meant.

    Raises
    ------
    WannError
        If all are numbers, but not whole.
    """
    labels = {*labels}
    marks = {label for label in labels if label.casefold() in _MARKS}
    others = labels - marks
    if not others or not all(len(o) <= _LONGEST["label"] and _NUMBER.fullmatch(o) for o in others):
        remarks = [
            f"the label {mark!r} is taken for a class; leave the cell empty where there is no label"
            for mark in sorted(marks)
        ]
        return {label: label for label in sorted(others | marks)}, tuple(remarks)
    remarks = [f"the label {mark!r} among numbers is read as no label" for mark in sorted(marks)]
    nothing: dict[str, str | None] = dict.fromkeys(sorted(marks))
    broken = sorted(label for label in others if not float(label).is_integer())
    if broken:
        raise WannError(
            f"labels must be text or whole numbers, got {broken[0]!r} (is this the label column?).",
            "label",
        )
    # '007' is a code, not a number: it must stay different from '7'; and '+1' is a name.
    if not all(map(_WHOLE.fullmatch, others)):
        return nothing | {label: label for label in sorted(others)}, tuple(remarks)
    numbers = {label: int(label.partition(".")[0]) for label in others}
    unlabeled = -1 in numbers.values() and {*numbers.values()} != {-1, 1}
    if unlabeled:
        remarks.append(
            "the label -1 among other numbers is read as no label; if it is a class, call it "
            "otherwise"
        )
    classes = {
        label: None if unlabeled and number == -1 else str(number)
        for label, number in sorted(numbers.items(), key=lambda pair: (pair[1], pair[0]))
    }
    return nothing | classes, tuple(remarks)


def several_a_row(classes: Sequence[str]) -> tuple[str, ...]:
    """A sentence if labels look like lists of labels."""
    known = set(classes)
    for separator in _LISTS:
        parts = {c: frozenset(p.strip() for p in c.split(separator)) for c in classes}
        lists = [c for c, found in parts.items() if len(found) > 1]
        joined = [c for c in lists if parts[c] <= known]
        if not joined and len({parts[c] for c in lists}) < len(lists):
            joined = lists
        if joined:
            return (
                f"labels such as {joined[0]!r} look like several labels a row, which are not "
                f"understood; each combination is a class of its own ({len(joined)} of "
                f"{len(classes)} classes)",
            )
    return ()

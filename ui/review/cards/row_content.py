"""What a row is, beside a picture: its text, with what differs from a neighbor, and its columns."""

import difflib
from functools import lru_cache
from typing import Any

from ui.pictures.row_values import text_of, value_text
from ui.review.case.data import Case
from wann_core.typing import Array

# Pieces of a text, each with whether it is marked.
Parts = list[tuple[str, bool]]

_WORDS, _CHARACTERS = 300, 3_000  # of a text on a card
_FACTS = 12  # columns on a card


def text(case: Case, position: int) -> str:
    """The content of a row, as far as a card shows it; '' where its data set has no text."""
    return text_of(case.data.columns, case.data.roles.get("text", ()), position, _CHARACTERS)


def texts(case: Case, position: int, against: Array) -> list[dict[str, Any]]:
    """A row's text and its nearest opposing row's, the words that only one of them has marked."""
    own = text(case, position)
    if not own:
        return []
    if not len(against):
        return [{"title": "This row", "parts": [(own, False)]}]
    other = int(against[0])
    label = case.found.rows.class_names[case.found.rows.labels[other]]
    mine, theirs = marked(own, text(case, other))
    return [
        {"title": "This row", "parts": mine},
        {"title": f"Nearest row labeled “{label}”", "parts": theirs},
    ]


@lru_cache(maxsize=2_000)
def marked(first: str, second: str) -> tuple[Parts, Parts]:
    """Both texts in pieces, marked where their words differ.

    Examples
    --------
    >>> marked("a good film", "a bad film")[0]
    [('a', False), ('good', True), ('film', False)]
    """
    a, b = first.split()[:_WORDS], second.split()[:_WORDS]
    left: Parts = []
    right: Parts = []
    folded = [[word.casefold() for word in words] for words in (a, b)]
    matcher = difflib.SequenceMatcher(None, folded[0], folded[1], autojunk=False)
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        for parts, words in ((left, a[a0:a1]), (right, b[b0:b1])):
            if words:
                parts.append((" ".join(words), kind != "equal"))
    return left, right


def facts(case: Case, position: int) -> list[tuple[str, str]]:
    """Names and values of the other columns of a row, shortened."""
    columns = case.data.columns
    if columns is None:
        return []
    shown = [c for c in columns if c not in case.data.roles.get("text", ())]
    found = [(str(c), value_text(columns[c].iat[position])) for c in shown[:_FACTS]]
    if len(shown) > _FACTS:
        found.append(("…", f"{len(shown) - _FACTS:,} more columns, in every export"))
    return found

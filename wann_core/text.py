"""Text of users where it is shown: on pages, in reports, on a terminal."""

from collections.abc import Callable
from typing import Any

# Controls (a terminal obeys some), what turns the direction of a line, what is not seen at all, and
# halves of surrogate pairs, which no encoder takes. Joiners stay: emoji and Persian need them.
_INVISIBLE = {
    code: f"\\u{code:04x}"
    for codes in (
        range(0x20),
        range(0x7F, 0xA0),
        (0x61C, 0x200B, 0x200E, 0x200F, 0xFEFF),
        range(0x2028, 0x202F),
        range(0x2060, 0x206A),
        range(0xD800, 0xE000),
    )
    for code in codes
}


def visible(text: str) -> str:
    """A text on one line, in which nothing is hidden: controls and the like by their numbers.

    Examples
    --------
    >>> visible("cat\\u202egod"), visible("two\\nlines"), visible("\\x1b[2J")
    ('cat\\\\u202egod', 'two lines', '\\\\u001b[2J')
    """
    return " ".join(text.splitlines()).replace("\t", " ").translate(_INVISIBLE)


def first_few(values: Any, most: int, form: Callable[[Any], str] = str) -> str:
    """The first values of a sequence in a line, with '…' where more follow.

    Examples
    --------
    >>> first_few(["cat", "dog", "owl"], 2), first_few(["cat"], 2, repr)
    ('cat, dog, …', "'cat'")
    """
    return ", ".join(map(form, values[:most])) + (", …" if len(values) > most else "")


def shown(name: str) -> str:
    """A name as tables show it: what is not text in a file name by its number."""
    return name.encode("utf-8", "backslashreplace").decode()

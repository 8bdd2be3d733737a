"""Class names: the order to list them in; those that differ in spelling only, found and merged."""

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from wann_core.typing import Array

# No decimals: those of 0.45 are fewer than those of 0.5.
_NUMBER = re.compile(r"(?<![.0-9])([0-9]+)")


@lru_cache(maxsize=8)
def listed_order(names: tuple[str, ...]) -> tuple[int, ...]:
    """Ids of the classes in the order in which people look for their names.

    Ids that go by the letters of the names mean nothing, and numbers in names are read as numbers.
    Any other order was recorded, and stays.

    Examples
    --------
    >>> listed_order(("class 1", "class 10", "class 2")), listed_order(("small", "large"))
    ((0, 2, 1), (0, 1))
    """
    ids = range(len(names))
    if any(one > other for one, other in itertools.pairwise(names)):
        return tuple(ids)
    return tuple(sorted(ids, key=lambda c: by_number(names[c])))


def by_number(name: str) -> list[str | tuple[int, str]]:
    """Key that sorts names by their text, and by the whole numbers in it.

    Examples
    --------
    >>> sorted(["part-10", "part-2", "0.5", "0.45"], key=by_number)
    ['0.45', '0.5', 'part-2', 'part-10']
    """
    parts = _NUMBER.split(name)
    # The digits themselves, of any count; what stands between them has even places.
    return [(len(p.lstrip("0")), p.lstrip("0")) if i % 2 else p for i, p in enumerate(parts)]


def look_alike(classes: Sequence[str]) -> tuple[str, ...]:
    """A sentence on each group of classes that differ in their spelling only."""
    return tuple(
        f"the classes {', '.join(ascii(classes[c]) for c in group[:5])} differ only in case, "
        "blanks, Unicode form or invisible characters; they can be merged"
        for group in _groups(classes, range(len(classes)))
        if len(group) > 1
    )


def merged(classes: Sequence[str], counts: Array) -> tuple[tuple[str, ...], Array]:
    """Merge classes that differ in their spelling only, under the most frequent spelling.

    Parameters
    ----------
    classes : sequence of str, length C
    counts : ndarray of shape (C,)
        Rows of each class.

    Returns
    -------
    names : tuple of str
        Classes that are left, in their order.
    ids : ndarray of shape (C + 1,), int64
        New id of each class; the last one, which -1 finds, is -1: no label.
    """
    groups = list(_groups(classes, np.argsort(-counts, kind="stable").tolist()))
    kept = sorted(group[0] for group in groups)
    ids = np.full(len(classes) + 1, -1)
    for group in groups:
        ids[group] = kept.index(group[0])
    return tuple(classes[c] for c in kept), ids


def _groups(classes: Sequence[str], order: Iterable[int]) -> Iterable[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for c in order:
        groups[_spelling(classes[c])].append(c)
    return groups.values()


def _spelling(name: str) -> str:
    """What is left of a class name without case, blanks, Unicode form and invisible characters."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    kept = (c for c in plain if unicodedata.category(c) not in ("Cf", "Cc", "Zs"))
    return unicodedata.normalize("NFKC", "".join(kept))

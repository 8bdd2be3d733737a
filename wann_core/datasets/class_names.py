"""Class names that differ in their spelling only: found, and merged."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from wann_core.typing import Array


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

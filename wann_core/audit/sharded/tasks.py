"""Small tasks between the large ones, run on the workers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wann_core.audit.judging.tables import uniform_noise_opinions
from wann_core.audit.sharded import columns, output, parts, votes
from wann_core.noise.uniform import MOST_CLASSES
from wann_core.typing import Array


def item(found: Sequence[Any], place: int) -> Any:
    """One part of what a task has answered."""
    return found[place]


def width(X: Array) -> int:
    """Columns of a table of rows."""
    return int(X.shape[1])


def adaptive(found: votes.Reliable) -> Array:
    """Adaptive k of each row."""
    return found.k


def mean(sums: Sequence[tuple[int, float]]) -> float:
    """Mean of what shards have summed: rows, and the sum."""
    return sum(total for _, total in sums) / sum(rows for rows, _ in sums)


def take(rows: Array, kept: Array) -> Array:
    """Some of the rows."""
    return np.asarray(rows[kept])


def opinions(voted: votes.Votes, first: Any, kept: Array) -> list[Array]:
    """What uniform noise is fitted to, of the kept rows; nothing where there are many classes."""
    if voted.near.shape[1] > MOST_CLASSES:
        return []
    fits = [None if first is None else votes.taken(first, kept)]
    near, wann = (votes.taken(table, kept) for table in (voted.near, voted.wann))
    return uniform_noise_opinions(near, wann, fits)


def halves(voted: votes.Votes) -> tuple[int, tuple[Array, Array]]:
    """How the halves of the neighbors vote."""
    return voted.alike, voted.halves


def ranks(scored: dict[str, Array]) -> dict[str, Array]:
    """The columns that rank the rows."""
    return {name: scored[name] for name in ("label_score", "given_share")}


def spoken_for(labels: Array, n_classes: int) -> Array:
    """Whether each class has two rows."""
    return np.asarray(np.bincount(labels, minlength=n_classes) > 1)


def own(rows: Array, whole: columns.Whole, scored: dict[str, Array], k: Array) -> dict[str, Array]:
    """The columns of one shard."""
    own = {name: column[rows] for name, column in whole.columns.items()}
    return {**scored, **own, "adaptive_k": k}


def put_back(
    rows: Sequence[Array], found: Sequence[dict[str, Array]], wanted: Array
) -> dict[str, Array]:
    """The columns of a partition whose rows are in several groups."""
    inside = [np.isin(one, wanted, assume_unique=True) for one in rows]
    order = np.argsort(np.concatenate([one[kept] for one, kept in zip(rows, inside, strict=True)]))

    def column(name: str) -> Array:
        values = [one[name][kept] for one, kept in zip(found, inside, strict=True)]
        return np.asarray(np.concatenate(values)[order])

    return {name: column(name) for name in found[0]}


def table(part: parts.Part, labels: Array, own: dict[str, Array], names: Sequence[str]) -> Any:
    """The result of a partition."""
    return output.table_of(part, labels, own, names)

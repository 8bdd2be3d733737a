"""Tasks that need a column of all rows: run on one worker, and never on the client.

Numbers of a row that are held there at once: labels, likeliest classes, scores, links to three
neighbors and distances, about 100 bytes a row together; and the class shares of a part of the rows,
of which the number of wrong labels is estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wann_core.audit.judging.duplicates import (
    group_pairs,
    mixed_groups,
    near_limit,
    outlier_score_of,
)
from wann_core.audit.judging.trust import Clusters, Trust, agreement_of, clusters, trust_of
from wann_core.audit.result import doubt_order
from wann_core.class_table import ClassTable, Shares, joined
from wann_core.methods.folds import deal_folds
from wann_core.noise.rate import NoiseEstimate, estimate_noise
from wann_core.noise.transition import RANKING_ANCHORS, Transition, anchors
from wann_core.typing import Array

# Of more rows the wrong labels are estimated from every second, third … row: as many as this at
# most, and fewer where there are many classes, as one worker holds the table of all their shares.
_COUNTED_ROWS, _FEWEST_COUNTED, _COUNTED_VALUES = 1_000_000, 100_000, 5 * 10**7


def assembled(rows: Sequence[Array], values: Sequence[Array], n: int) -> Array:
    """A column of all rows, from those of the shards."""
    column = np.empty((n, *values[0].shape[1:]), values[0].dtype)
    for where, part in zip(rows, values, strict=True):
        column[where] = part
    return column


def named(rows: Sequence[Array], tables: Sequence[dict[str, Array]], n: int) -> dict[str, Array]:
    """Several columns."""
    return {name: assembled(rows, [t[name] for t in tables], n) for name in tables[0]}


def owners(rows: Sequence[Array], n: int) -> Array:
    """Which shard holds each row."""
    return assembled(rows, [np.full(len(r), i, np.uint16) for i, r in enumerate(rows)], n)


def folds_of(labels: Array, seed: int) -> Array:
    """Fold of each row, as on one machine."""
    return deal_folds(labels.astype(np.int64), seed).astype(np.uint8)


def ranking_transition(sure: dict[str, Array], labels: Array, n_classes: int) -> Transition:
    """How labels go wrong on the surest rows of each class."""
    given = labels.astype(np.int64)
    return anchors(sure["winner"].astype(np.int64), sure["sure"], given, n_classes, RANKING_ANCHORS)


def counted(rows: Array, n: int, n_classes: int) -> Array:
    """Places of the rows of a shard that are counted."""
    most = int(np.clip(_COUNTED_VALUES // n_classes, _FEWEST_COUNTED, _COUNTED_ROWS))
    return np.flatnonzero(rows % -(-n // most) == 0)


def noise_of(
    rows: Sequence[Array],
    counting: Sequence[Shares],
    opinions: Sequence[Sequence[Array]],
    labels: Array,
    judgeable: Array,
) -> NoiseEstimate:
    """Estimate how many labels are wrong, by the counted rows.

    Parameters
    ----------
    rows : sequence of ndarray
        Numbers of the counted rows of each shard.
    counting : sequence of tables
        Their shares.
    opinions : sequence of tables
        What uniform noise is fitted to, see `uniform_noise_opinions`; none beyond 32 classes.
    labels : ndarray of shape (n,)
        Of all rows.
    judgeable : ndarray of shape (C,), bool
    """
    where = np.concatenate(rows)
    order = np.argsort(where)
    order = order[judgeable[labels[where[order]]]]
    given = labels[where[order]].astype(np.int64)
    sources = [np.concatenate(parts)[order] for parts in zip(*opinions, strict=True)]
    whole = joined(counting)
    shares = whole.only(order) if isinstance(whole, ClassTable) else whole[order]
    found = estimate_noise(shares, given, sources or None)
    judged = int(judgeable[labels].sum())
    if judged == found.rows:
        return found
    times = judged / found.rows
    scaled = {
        name: round(times * getattr(found, name)) for name in ("count", "low", "high", "base")
    }
    return replace(found, rows=judged, **scaled)


@dataclass(frozen=True, eq=False)
class Whole:
    """What is known of all rows together.

    Attributes
    ----------
    columns : dict of ndarray of shape (n,)
        Columns of the result that need all rows.
    agreement : float
    clusters : Clusters
    trust : str
    """

    columns: dict[str, Array]
    agreement: float
    clusters: Clusters
    trust: Trust


def limit_of(space: dict[str, Array], near: float) -> float:
    """Below which distance rows are near-duplicates."""
    return near_limit(space["nearest"], near)


def finished(
    scores: dict[str, Array],
    space: dict[str, Array],
    pairs: Sequence[tuple[Array, Array, Array]],
    limit: float,
    labels: Array,
    noise: NoiseEstimate,
    halves: Sequence[tuple[int, tuple[Array, Array]]],
) -> Whole:
    """Mark the issues, group near-duplicates, and find how far the number is to be trusted."""
    n, n_classes = len(labels), len(halves[0][1][0])
    issues = np.zeros(n, bool)
    issues[doubt_order(scores["label_score"], scores["given_share"])[: noise.count]] = True
    first, second, apart = (np.concatenate([part[i] for part in pairs]) for i in range(3))
    order = np.lexsort((second, first))
    groups = group_pairs(n, first[order], second[order], apart[order], limit)
    alike = sum(count for count, _ in halves)
    sides = [np.sum([both[side] for _, both in halves], axis=0) for side in range(2)]
    agree = agreement_of(alike, sides[0], sides[1])
    given = labels.astype(np.int64)
    return Whole(
        {
            "is_label_issue": issues,
            "near_duplicate_group": groups,
            "near_duplicate_conflict": mixed_groups(groups, given),
            "outlier_score": outlier_score_of(space["apart"], float(np.median(space["apart"]))),
        },
        agree,
        clusters(space["links"], given, n_classes),
        trust_of(agree, noise.rate, given, n_classes),
    )


def part_of(whole: Whole, start: int, stop: int) -> dict[str, Array]:
    """The columns of a partition."""
    return {name: column[start:stop] for name, column in whole.columns.items()}


def facts_of(whole: Whole) -> dict[str, Any]:
    """What is known of all rows together, without columns."""
    return {"agreement": whole.agreement, "clusters": whole.clusters, "trust": whole.trust}

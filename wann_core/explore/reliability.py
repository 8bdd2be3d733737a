"""Reliability by kind of label, by class, and by noise ratio."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.run import prepare
from wann_core.experiments.scenario import Scenario
from wann_core.paths import DEFAULT_ROOTS, Roots
from wann_core.progress import Progress
from wann_core.typing import Array

KINDS = ("all", "clean", "flipped")


def distribution(prepared: PreparedData) -> pd.DataFrame:
    """How many clean and flipped labels, or labels of unknown truth, have each adaptive k.

    Returns
    -------
    DataFrame
        adaptive_k (falling), reliability, kind ('clean' or 'flipped'; 'all' where the true labels
        are not known), rows, share (of the rows of that kind; NaN where there are none).
    """
    k = prepared.adaptive_k
    values = np.flatnonzero(np.bincount(k))[::-1]
    frames = []
    for kind in KINDS[1:] if prepared.truth_known else KINDS[:1]:
        rows = of_kind(prepared, kind)
        counts = np.bincount(k[rows], minlength=values[0] + 1)[values]
        frames.append(
            pd.DataFrame(
                {
                    "adaptive_k": values,
                    "reliability": 1.0 / values,
                    "kind": kind,
                    "rows": counts,
                    "share": counts / counts.sum() if counts.sum() else np.nan,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def by_class_pair(prepared: PreparedData) -> pd.DataFrame:
    """Mean reliability of the rows of each true class under each given label.

    Returns
    -------
    DataFrame
        true_class_id, true_class, given_label_id, given_label, rows, reliability (NaN without
        rows): C² rows, by true class.
    """
    n, names = prepared.dataset.n_classes, np.array(prepared.dataset.class_names)
    pairs = prepared.clean_labels * n + prepared.labels
    counts, means = _means(pairs, prepared.reliability, n * n)
    true, given = np.divmod(np.arange(n * n), n)
    return pd.DataFrame(
        {
            "true_class_id": true,
            "true_class": names[true],
            "given_label_id": given,
            "given_label": names[given],
            "rows": counts,
            "reliability": means,
        }
    )


def adaptive_k_by_class(prepared: PreparedData) -> pd.DataFrame:
    """Share of each adaptive k among the rows of each given label.

    Returns
    -------
    DataFrame
        given_label_id, given_label, adaptive_k, rows, share (NaN for a label nobody was given).
    """
    n, names = prepared.dataset.n_classes, np.array(prepared.dataset.class_names)
    found = np.bincount(prepared.adaptive_k) > 0
    values, place = np.flatnonzero(found), np.cumsum(found) - 1
    cells = prepared.labels * len(values) + place[prepared.adaptive_k]
    counts = np.bincount(cells, minlength=n * len(values)).reshape(n, -1)
    of_class = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, of_class, out=np.full(counts.shape, np.nan), where=of_class > 0)
    label, k = np.divmod(np.arange(counts.size), len(values))
    return pd.DataFrame(
        {
            "given_label_id": label,
            "given_label": names[label],
            "adaptive_k": values[k],
            "rows": counts.ravel(),
            "share": shares.ravel(),
        }
    )


def by_ratio(
    scenario: Scenario,
    ratios: Sequence[float],
    roots: Roots = DEFAULT_ROOTS,
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Mean reliability of each given label as the noise ratio of a scenario grows.

    The graph is searched once, save under LDA and fLDA, which follow the labels.

    Parameters
    ----------
    scenario : Scenario
        With a noise pattern.
    ratios : sequence of float
    roots : path
    progress : callable, optional
        May raise to stop.

    Returns
    -------
    DataFrame
        noise_ratio, realised_noise, given_label_id, given_label, kind ('all', 'clean' or
        'flipped'), rows, reliability (mean; NaN without rows).

    Raises
    ------
    WannError
        As `prepare` does.
    """
    frames = []
    for done, ratio in enumerate(ratios):

        def within(part: float, total: float, text: str, done: int = done) -> None:
            if progress is not None:
                progress(done + part / total, len(ratios), text)

        within(0, 1, f"noise ratio {ratio:g}")
        asked = dataclasses.replace(scenario, noise_ratio=ratio)
        prepared = prepare(asked, roots, progress=within)
        frames += [_by_label(prepared, kind) for kind in KINDS]
    return pd.concat(frames, ignore_index=True)


def of_kind(prepared: PreparedData, kind: str) -> Array:
    """Which training rows are of a kind of `KINDS`, shape (n,), bool."""
    flipped: Array = prepared.labels != prepared.clean_labels
    return {"all": np.ones(len(flipped), bool), "clean": ~flipped, "flipped": flipped}[kind]


def _by_label(prepared: PreparedData, kind: str) -> pd.DataFrame:
    n, rows = prepared.dataset.n_classes, of_kind(prepared, kind)
    counts, means = _means(prepared.labels[rows], prepared.reliability[rows], n)
    return pd.DataFrame(
        {
            "noise_ratio": prepared.scenario.noise_ratio,
            "realised_noise": prepared.noise_ratio,
            "given_label_id": np.arange(n),
            "given_label": prepared.dataset.class_names,
            "kind": kind,
            "rows": counts,
            "reliability": means,
        }
    )


def _means(groups: Array, values: Array, n_groups: int) -> tuple[Array, Array]:
    """Rows of each group, and their mean value; NaN for a group without rows."""
    counts = np.bincount(groups, minlength=n_groups)
    sums = np.bincount(groups, weights=values, minlength=n_groups)
    return counts, np.divide(sums, counts, out=np.full(n_groups, np.nan), where=counts > 0)

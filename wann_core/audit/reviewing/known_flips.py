"""How far scores can be trusted on the user's own data: flip labels on purpose, look for them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.result import Audit, doubt_order
from wann_core.audit.scores import score_labels
from wann_core.errors import WannError, check_number
from wann_core.noise.patterns import add_noise
from wann_core.progress import Progress
from wann_core.typing import Array

_POINTS = 50


@dataclass(frozen=True, eq=False)
class KnownFlips:
    """How well each score finds labels that were flipped on purpose.

    Attributes
    ----------
    flipped : ndarray of shape (n,), bool
        The rows, in the order of the audit's table.
    curve : DataFrame
        score, n, precision, recall: of the n most doubtful rows how many are flips, and of the
        flips how many are among them. Labels that were wrong before count as no flips, so that
        precision is a lower bound.
    per_class : DataFrame
        score, class, flips, precision, recall, at n = number of flips. `class` is the label before
        the flip for recall, the given one after it for precision; NaN where there is none.
    expected : DataFrame
        score, n, errors: how many of the first n rows of the real list are expected to be wrong.
        Labels that are wrong by nature are taken to score as flipped ones do, of which as many
        are left as the audit estimates.
    """

    flipped: Array
    curve: pd.DataFrame
    per_class: pd.DataFrame
    expected: pd.DataFrame


def known_flips(
    found: Audit,
    *,
    ratio: float = 0.1,
    pattern: str = "sym",
    scores: Sequence[str] = ("combined", "neighbors", "knn_share"),
    seed: int = 0,
    progress: Progress | None = None,
) -> KnownFlips:
    """Flip labels, score all rows again, and measure how many flips each score finds.

    Parameters
    ----------
    found : Audit
        Of the data as they are. Where it has a probe, that is fitted again, with the same C.
    ratio : float
        Share of the labels to flip, in (0, 0.5]; under 'asym' and 'similar' within each class.
        Where groups are judged as a whole, a share of these, each of which flips as a whole.
    pattern : {'sym', 'asym', 'similar', 'instance'}
        How they flip, see `noise.add_noise`; the exact draw.
    scores : sequence of str
        Names of `SCORES`.
    seed : int
        Equal seeds flip equal rows.
    progress : callable, optional
        May raise to stop.

    Raises
    ------
    WannError
        If a score is unknown, a value is out of range, or nothing is flipped.
    """
    check_number("ratio", ratio, 0, 0.5)
    check_number("seed", seed, 0, 2**32 - 1, whole=True)
    rows, before, units = found.rows, found.rows.labels, found.evidence.units
    # A label that a whole group bears is one label, and flips for all of its rows.
    first, unit_of = (
        (np.arange(len(before)), np.arange(len(before)))
        if units is None
        else np.unique(units, return_index=True, return_inverse=True)[1:]
    )
    noisy = add_noise(
        before[first],
        pattern,
        ratio,
        rng=np.random.RandomState(seed),
        draw="exact",
        X=rows.X[first],
        n_classes=len(rows.class_names),
    ).labels[unit_of]
    flipped = noisy != before
    if not flipped.any():
        raise WannError(
            f"`ratio` must flip at least one of the {len(before)} labels, got {ratio!r}.", "ratio"
        )
    probe = found.evidence.probe
    if probe is not None:
        probe = probe.relabeled(noisy, progress)
    evidence = dataclasses.replace(found.evidence, labels=noisy, probe=probe, progress=progress)
    curves, classes, expected = [], [], []
    for name in scores:
        values = score_labels(evidence, name)
        order = doubt_order(values, _given_share(evidence))
        curves.append(_curve(name, flipped[order]))
        classes.append(_per_class(name, rows.class_names, before, noisy, flipped, order))
        expected.append(_expected(name, found, np.sort(values[flipped])))
    return KnownFlips(
        flipped, *(pd.concat(p, ignore_index=True) for p in (curves, classes, expected))
    )


def _given_share(evidence: Evidence) -> Array:
    return np.asarray(evidence.wann_shares[np.arange(len(evidence.labels)), evidence.labels])


def _depths(n: int) -> Array:
    """Lengths of the list at which it is judged: from 1 to all, denser at its head."""
    return np.unique(np.round(np.geomspace(1, n, _POINTS)).astype(np.int64))


def _curve(name: str, hits: Array) -> pd.DataFrame:
    n = np.unique(np.append(_depths(len(hits)), hits.sum()))
    caught = np.cumsum(hits)[n - 1]
    return pd.DataFrame(
        {"score": name, "n": n, "precision": caught / n, "recall": caught / hits.sum()}
    )


def _per_class(
    name: str,
    class_names: tuple[str, ...],
    before: Array,
    noisy: Array,
    flipped: Array,
    order: Array,
) -> pd.DataFrame:
    n_classes = len(class_names)
    listed = np.zeros(len(order), bool)
    listed[order[: flipped.sum()]] = True

    def count(labels: Array, rows: Array) -> Array:
        return np.bincount(labels[rows], minlength=n_classes).astype(np.float64)

    caught = listed & flipped
    flips, flags = count(before, flipped), count(noisy, listed)
    missing = np.full(n_classes, np.nan)
    return pd.DataFrame(
        {
            "score": name,
            "class": class_names,
            "flips": flips.astype(np.int64),
            "precision": np.divide(
                count(noisy, caught), flags, out=missing.copy(), where=flags > 0
            ),
            "recall": np.divide(count(before, caught), flips, out=missing, where=flips > 0),
        }
    )


def _expected(name: str, found: Audit, flips: Array) -> pd.DataFrame:
    """Errors among the first n: the estimated number times the share of flips as doubtful."""
    real = np.sort(score_labels(found.evidence, name))
    n = _depths(len(real))
    recall = np.searchsorted(flips, real[n - 1], side="right") / len(flips)
    return pd.DataFrame(
        {"score": name, "n": n, "errors": np.minimum(n, found.noise.count * recall)}
    )

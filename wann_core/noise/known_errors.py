"""Wrong labels made on purpose in a whole data set, to practice reviewing where truth is known."""

import dataclasses
from typing import Any

import numpy as np

from wann_core.datasets.dataset import LABELED, Dataset
from wann_core.errors import WannError, check_number
from wann_core.noise.patterns import add_noise


def flip_for_practice(data: Dataset, pattern: str, ratio: float, seed: int = 0) -> Dataset:
    """Flip a share of the labels of a data set, keeping the originals as `clean`.

    Unlike a scenario's noise, which leaves the test labels alone, this flips in every split: an
    audit judges them all.

    Parameters
    ----------
    data : Dataset
    pattern : {'sym', 'asym', 'similar', 'instance'}
        See `noise.add_noise`; the exact draw.
    ratio : float
        Share of the labels to flip, in (0, 0.9].
    seed : int
        Equal seeds flip equal rows.

    Raises
    ------
    WannError
        If the ratio is out of range or flips nothing.

    Examples
    --------
    >>> from wann_core import datasets
    >>> noisy = flip_for_practice(datasets.load("digits", "pixels"), "sym", 0.4)
    >>> sum(int((s.y != s.clean).sum()) for s in noisy.splits.values())
    719
    """
    check_number("ratio", ratio, 0, 0.9)
    splits = {name: split for name, split in data.splits.items() if name in LABELED}
    labeled = {name: np.flatnonzero(split.y >= 0) for name, split in splits.items()}
    before = np.concatenate([splits[name].y[rows] for name, rows in labeled.items()])
    X = np.concatenate([splits[name].X[rows] for name, rows in labeled.items()])
    flipped = add_noise(
        before,
        pattern,
        ratio,
        rng=np.random.RandomState(seed),
        draw="exact",
        dataset=data.name,
        X=X.astype(np.float32),
        n_classes=data.n_classes,
    ).labels
    if (flipped == before).all():
        raise WannError(
            f"`ratio` must flip at least one of the {len(before):,} labels, got {ratio!r}.", "ratio"
        )
    changed: dict[str, Any] = {}
    first = 0
    for name, rows in labeled.items():
        y = splits[name].y.copy()
        y[rows] = flipped[first : first + len(rows)]
        first += len(rows)
        changed[name] = dataclasses.replace(splits[name], y=y, clean=splits[name].true)
    injected = f"{100 * ratio:g} % {pattern}"
    name = f"{data.name}, {injected} for practice"
    # What the labels were before is the truth only if that was known of them.
    known = data.truth_known
    return dataclasses.replace(data, name=name, injected=injected, benchmark=known, **changed)

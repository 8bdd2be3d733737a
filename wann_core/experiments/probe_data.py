"""Training rows of a probe, and the validation rows of its early stopping."""

import time
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from wann_core.datasets import Dataset
from wann_core.errors import WannError
from wann_core.experiments.scenario import Scenario
from wann_core.methods import reduction, sampling
from wann_core.methods.probes.data import ProbeData
from wann_core.noise import patterns
from wann_core.noise.registry import takes_embeddings
from wann_core.noise.unmet import unmet
from wann_core.typing import Array

_VAL_SHARE = 0.15
_VAL_ROWS_PER_CLASS = 25


@dataclass(frozen=True, eq=False)
class Source:
    """All rows available to probes.

    Attributes
    ----------
    data : Dataset
    normalization : {'zscore', 'l2', 'none'}
    X : ndarray of shape (N, d)
        Every row of the training split and, after them, of the data set's own validation split.
    X_test : ndarray of shape (m, d)
    """

    data: Dataset
    normalization: str
    X: Array
    X_test: Array

    @classmethod
    def of(cls, data: Dataset, normalization: str) -> "Source":
        """Embeddings as they lie in the data set; of length 1 each under 'l2'.

        Raises
        ------
        WannError
            If the data set has no test rows.
        """
        if data.test is None:
            raise WannError(
                f"linear probes need test rows, which data set {data.name!r} does not have.",
                "method",
            )
        X, X_test = data.train.X, data.test.X
        if data.val is not None:
            X = np.concatenate([X, data.val.X])
        if normalization == "l2":
            X, X_test = reduction.normalize(X, X_test, "l2")
        return cls(data, normalization, X, X_test)


def make_data(scenario: Scenario, source: Source) -> ProbeData:
    """Draw rows, noise and validation split in the published order.

    Long tail, subsample, noise, split; one generator draws the first, third and fourth. Of a
    subsample of N rows, 25 a class come on top and validate; else 15 % of the rows do, stratified
    by their noisy labels. A data set's own validation split takes their place; it gets its noise
    after the training rows.

    Parameters
    ----------
    scenario : Scenario
        Its method does not matter.
    source : Source
        Of the scenario's data set and normalization.

    Raises
    ------
    WannError
        If the scenario asks for a reduction, or the rows cannot be drawn or split.
    """
    if scenario.reduction is not None:
        raise WannError(
            f"linear probes take embeddings without reduction, got {scenario.reduction!r}.",
            "reduction",
        )
    started = time.perf_counter()
    data = source.data
    rng = np.random.RandomState(scenario.seed)
    labels, own_val = data.train.y, data.val
    rows, notes = np.arange(len(labels)), list[str]()
    if scenario.imbalance_ratio is not None:
        rows, notes = sampling.long_tail(labels, scenario.imbalance_ratio, rng)
    val_size: float | int = _VAL_SHARE
    if scenario.num_subsamples is not None:
        size = scenario.num_subsamples
        if own_val is None:
            val_size = _VAL_ROWS_PER_CLASS * len(np.unique(labels[rows]))
            size += val_size
            if size > len(rows):
                raise WannError(
                    f"`num_subsamples` of a linear probe must leave {val_size} of {len(rows)} rows "
                    f"for validation, got {scenario.num_subsamples}.",
                    "num_subsamples",
                )
        rows = rows[sampling.subsample(labels[rows], size, scenario.seed)]
    given = _add_noise(scenario, data, labels[rows], source.data.train.X, rows, rng)
    note = unmet(
        labels[rows],
        given,
        scenario.noise_pattern,
        scenario.noise_ratio,
        draw=scenario.draw,
        dataset=data.name,
        class_names=data.class_names,
        matrix=scenario.transition_matrix,
    )
    if own_val is None:
        train, val = _split(given, val_size, rng)
        y_val, rows_val, clean_val = given[val], rows[val], data.train.true[rows[val]]
        given, rows = given[train], rows[train]
    else:
        positions = np.arange(len(own_val))
        y_val = _add_noise(scenario, data, own_val.y, own_val.X, positions, rng)
        rows_val, clean_val = positions + len(data.train), own_val.true
    clean = np.concatenate([data.train.true[rows], clean_val])
    noisy = patterns.compare(clean, np.concatenate([given, y_val]), data.n_classes)
    mean, scale = np.zeros(source.X.shape[1]), np.ones(source.X.shape[1])
    if source.normalization == "zscore":
        mean, scale = reduction.statistics(source.X[rows])
    assert data.test is not None
    return ProbeData(
        seed=scenario.seed,
        dataset=data,
        X=source.X,
        train=rows,
        val=rows_val,
        labels=noisy.labels,
        clean_labels=clean,
        mean=mean,
        scale=scale,
        X_test=source.X_test,
        y_test=data.test.true,
        noise_ratio=noisy.ratio,
        notes=tuple(notes),
        seconds=time.perf_counter() - started,
        noise_note=note,
    )


def _add_noise(
    scenario: Scenario,
    data: Dataset,
    labels: Array,
    X: Array,
    rows: Array,
    rng: np.random.RandomState,
) -> Array:
    return patterns.add_noise(
        labels,
        scenario.noise_pattern,
        scenario.noise_ratio,
        rng=rng,
        n_classes=data.n_classes,
        draw=scenario.draw,
        dataset=data.name,
        X=X[rows] if takes_embeddings(scenario.noise_pattern) else None,
        matrix=scenario.transition_matrix,
    ).labels


def _split(labels: Array, val_size: float | int, rng: np.random.RandomState) -> tuple[Array, Array]:
    try:
        train, val = train_test_split(
            np.arange(len(labels)), test_size=val_size, stratify=labels, random_state=rng
        )
    except ValueError as error:
        counts = np.bincount(labels)
        fewest = int(np.where(counts > 0, counts, len(labels) + 1).argmin())
        raise WannError(
            f"the validation rows cannot be drawn by class from {len(labels)} rows in "
            f"{int((counts > 0).sum())} classes (class {fewest} has {counts[fewest]}): {error}",
            "num_subsamples",
        ) from error
    return train, val

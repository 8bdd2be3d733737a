"""All noise patterns, as scenarios, plans, commands and pages know them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wann_core.errors import WannError
from wann_core.noise.class_conditional import asymmetric, own_matrix, similar, symmetric
from wann_core.noise.instance import instance
from wann_core.noise.request import DRAWS, NoiseRequest
from wann_core.registry import Entry, Names, Registry
from wann_core.typing import Array

Flip = Callable[[Array, float, np.random.RandomState, int, Array | None], Array]


@dataclass(frozen=True, kw_only=True)
class Pattern(Entry):
    """A noise pattern.

    Attributes
    ----------
    flip : callable
        `flip(request)` returns the noisy labels.
    meaning : str
        Where wrong labels go, to follow "of the training labels are wrong,".
    needs_embeddings : bool
        Whether `X` must be given.
    needs_matrix : bool
        Whether a transition matrix must be given; the ratio is not used then.
    silent_at_zero : tuple of str
        The draws under which a ratio of 0 changes no label.
    """

    flip: Callable[[NoiseRequest], Array]
    meaning: str
    needs_embeddings: bool = False
    needs_matrix: bool = False
    silent_at_zero: tuple[str, ...] = ()


ALL_PATTERNS: Registry[Pattern] = Registry(
    "noise pattern",
    (
        Pattern(
            name="sym",
            title="Symmetric",
            flip=symmetric,
            meaning="spread uniformly over the other classes",
            silent_at_zero=DRAWS,
        ),
        Pattern(
            name="asym",
            title="Asymmetric",
            flip=asymmetric,
            meaning="each moved to one set class",
            silent_at_zero=DRAWS,
        ),
        Pattern(
            name="instance",
            title="Instance-dependent",
            reference="Xia et al., NeurIPS 2020",
            flip=instance,
            meaning="depending on the sample itself",
            silent_at_zero=("exact",),
            needs_embeddings=True,
        ),
        Pattern(
            name="similar",
            title="To the most similar class",
            flip=similar,
            meaning="each moved to the class whose mean is nearest",
            silent_at_zero=DRAWS,
            needs_embeddings=True,
        ),
        Pattern(
            name="matrix",
            title="Own matrix",
            flip=own_matrix,
            meaning="drawn from your own matrix",
            needs_matrix=True,
        ),
    ),
    "noise_pattern",
)
PATTERNS = Names(ALL_PATTERNS)


def takes_embeddings(name: str | None) -> bool:
    """Whether a pattern is given the embeddings; registered ones always are."""
    if name is None:
        return False
    entry = ALL_PATTERNS[name]
    return entry.needs_embeddings or entry.digest != ""


def register_noise(
    name: str,
    flip: Flip,
    *,
    title: str | None = None,
    reference: str = "",
    needs_embeddings: bool = False,
) -> None:
    """Register a noise pattern for scenarios, plans, the command line and every page.

    Parameters
    ----------
    name : str
        As `Scenario.noise_pattern` names it.
    flip : callable
        `flip(labels, ratio, rng, n_classes, X)` returns the noisy labels, of the same length: class
        ids from 0 to n_classes - 1. `labels` is its own copy; `rng` is a
        `numpy.random.RandomState`, the source of every draw; `X` holds the embeddings before
        normalization, one row a label, and is None where `add_noise` is called without them.
    title : str, optional
        As pages show it; by default the name.
    reference : str
        The publication that it is from.
    needs_embeddings : bool
        Whether `add_noise` must refuse to call it without `X`.

    Raises
    ------
    WannError
        If the name cannot be one, or is taken.

    Examples
    --------
    >>> def next_class(labels, ratio, rng, n_classes, X):
    ...     wrong = rng.random_sample(len(labels)) < ratio
    ...     return np.where(wrong, (labels + 1) % n_classes, labels)
    >>> register_noise("next-class", next_class, title="To the next class")
    >>> "next-class" in PATTERNS
    True
    >>> ALL_PATTERNS.remove("next-class")
    """

    def call(asked: NoiseRequest) -> Array:
        labels = asked.labels.copy()
        try:
            found = flip(labels, asked.ratio, asked.rng, asked.n_classes, asked.X)
        except Exception as error:
            reason = str(error) or "no reason given"
            raise _fault(name, f"failed with {type(error).__name__}: {reason}") from error
        return _checked(name, np.asarray(found), asked)

    title = name if title is None else title
    ALL_PATTERNS.add(
        Pattern(
            name=name,
            title=title,
            reference=reference,
            flip=call,
            meaning=f"flipped by the pattern {title}",
            needs_embeddings=needs_embeddings,
        )
    )


def _checked(name: str, found: Array, asked: NoiseRequest) -> Array:
    """Noisy labels as a plug-in returned them, or `WannError` saying what is wrong with them."""
    n, n_classes = len(asked.labels), asked.n_classes
    if found.shape != (n,):
        raise _fault(name, f"must return {n} labels, one a row, got shape {found.shape}")
    if found.dtype.kind not in "iu":
        raise _fault(name, f"must return whole numbers, class ids, got {found.dtype}")
    if found.min() < 0 or found.max() >= n_classes:
        wrong = found[(found < 0) | (found >= n_classes)][0]
        raise _fault(name, f"must return class ids from 0 to {n_classes - 1}, got {wrong}")
    return found.astype(np.int64)


def _fault(name: str, what: str) -> WannError:
    entry = ALL_PATTERNS[name]
    return WannError(f"the noise pattern {entry.described} {what.rstrip('.')}.", "noise_pattern")

"""Whether wrong labels look like those of people, who confuse what looks alike."""

import numpy as np

from wann_core.typing import Array

# From where to where each sign of it is taken for none and for certain: see `signs_of_people`.
_MUTUAL_SLOPE = 0.05, 0.12
_MUTUAL_PART = 0.45, 0.60
_UNEVEN = 0.15, 0.25
_SEEN = 1.0, 3.0
_FEWEST_CLASSES = 5


def signs_of_people(T: Array | None, alike: Array, wrong_seen: float) -> float:
    """How far wrong labels look like those of people, 0 to 1.

    It is the product of four signs. Wrong labels go where classes look alike (slope of what goes
    both ways over log likeness), they go both ways (the part that does), and some classes are
    harder than others (coefficient of variation of their rates). Errors drawn evenly lack the first
    and the last, one-sided ones the second. Fewer wrong labels among the anchors than pairs of
    classes show none of it.
    """
    if T is None or len(T) < _FEWEST_CLASSES:
        return 0.0
    off = ~np.eye(len(T), dtype=bool)
    flips = alike.sum(axis=1)[:, None] * T * off
    each = flips.sum(axis=1)
    if not each.sum():
        return 0.0
    mutual = np.minimum(flips, flips.T)
    others = len(T) - 1
    likeness = alike * off
    likeness /= np.maximum(likeness.sum(axis=1, keepdims=True), 1e-12)
    weights = np.repeat((each / each.sum() / others)[:, None], len(T), axis=1)[off]
    x = np.log(np.maximum(likeness[off] * others, 1e-3))
    y = (mutual / np.maximum(each, 1e-12)[:, None])[off] * others
    x, y = x - weights @ x, y - weights @ y
    slope = float(weights @ (x * y)) / max(float(weights @ (x * x)), 1e-12)
    rates = 1 - np.diag(T)
    seen = _sign(wrong_seen / flips[off].size, _SEEN)
    return (
        seen
        * _sign(slope, _MUTUAL_SLOPE)
        * _sign(float(mutual.sum() / flips.sum()), _MUTUAL_PART)
        * _sign(float(rates.std() / max(rates.mean(), 1e-9)), _UNEVEN)
    )


def _sign(value: float, limits: tuple[float, float]) -> float:
    """0 up to the first limit, 1 from the second."""
    none, certain = limits
    return float(np.clip((value - none) / (certain - none), 0, 1))

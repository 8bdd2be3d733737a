"""Whether wrong labels look like those of people, who confuse what looks alike, or go one way."""

import numpy as np

from wann_core.typing import Array

# From where to where each sign of it is taken for none and for certain: see `signs_of_people`.
_MUTUAL_SLOPE = 0.05, 0.12
_MUTUAL_PART = 0.45, 0.60
_UNEVEN = 0.15, 0.25
_SEEN = 1.0, 3.0
_FEWEST_CLASSES = 5
# Share of the wrong labels that go where most of their class go, beyond what chance gives one of
# the others. People's and instance-dependent noise had up to 0.6 of it, one-way noise 0.7 and more.
_CONCENTRATED = 0.65, 0.75


def signs_of_people(T: Array | None, alike: Array, wrong_seen: float) -> float:
    """How far wrong labels look like those of people, 0 to 1.

    It is the product of four signs. Wrong labels go where classes look alike (slope of what goes
    both ways over log likeness), they go both ways (the part that does), and some classes are
    harder than others (coefficient of variation of their rates). Uniform errors lack the first
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


def sign_of_one_way(flows: Array) -> float:
    """How far the wrong labels of each class go to one other class, 0 to 1.

    Of two classes they have no choice, and few wrong labels a class, up to three, lie together by
    chance.

    Parameters
    ----------
    flows : ndarray of shape (C, C)
        How many wrong labels of each true class (row) by the given one; the diagonal is 0.

    Examples
    --------
    >>> sign_of_one_way(9 * np.roll(np.eye(5), 1, axis=1)), sign_of_one_way(9 * (1 - np.eye(5)))
    (1.0, 0.0)
    """
    others, total = len(flows) - 1, float(flows.sum())
    if others < 2 or not total:
        return 0.0
    largest = float(flows.max(axis=1).sum()) / total
    concentrated = _sign((largest - 1 / others) / (1 - 1 / others), _CONCENTRATED)
    return _sign(total / len(flows), _SEEN) * concentrated


def _sign(value: float, limits: tuple[float, float]) -> float:
    """0 up to the first limit, 1 from the second."""
    none, certain = limits
    return float(np.clip((value - none) / (certain - none), 0, 1))

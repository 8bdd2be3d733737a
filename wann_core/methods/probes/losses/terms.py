"""Values and gradients of many losses at once, in closed form, as compiled kernels.

A loss is a function of log p. With D_k = ∂L/∂log p_k its gradient is ∂L/∂z = D - p ΣD, so it is
enough to know D for each term. A head's numbers depend on its own logits alone, to the last bit,
whatever heads stand beside it.

Arrays have a row for each pair of seed and batch row (R = S · B) and the heads' classes side by
side in their columns: head h (a loss) has the columns h · C … h · C + C - 1.
"""

import dataclasses
import math
from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

from wann_core.methods.probes.losses.recipes import Recipe
from wann_core.parallel import in_slices
from wann_core.typing import Array

# Bounds of p in early-learning regularisation and in reverse cross entropy.
_EARLY_FLOOR, _REVERSE_FLOOR = 1e-4, 1e-7
# Logits that are worth a thread of their own.
_SLICE = 40_000


class BatchedLoss:
    """Several losses, each on its own logits, for the same rows and labels.

    Parameters
    ----------
    recipes : sequence of Recipe, length H
        A registered loss counts as 0 here: `autograd.add_custom` adds it.
    n_classes : int
        C.
    n_seeds, n_rows : int
        S, and the rows of each that early-learning regularisation remembers a prediction of.
    dtype : dtype
        Of what it remembers.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        n_classes: int,
        n_seeds: int,
        n_rows: int,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.recipes = list(recipes)
        self._n_classes, self._n_seeds = n_classes, n_seeds
        names = [field.name for field in dataclasses.fields(Recipe) if field.name != "custom"]
        self._table = np.zeros(len(recipes), dtype=[(name, np.float64) for name in names])
        for h, recipe in enumerate(recipes):
            self._table[h] = tuple(getattr(recipe, name) for name in names)
        early = [h for h, recipe in enumerate(recipes) if recipe.early]
        self._slots = np.full(len(recipes), -1)
        self._slots[early] = np.arange(len(early))
        self._memory = np.zeros((len(early), n_seeds, n_rows, n_classes), dtype)

    def __call__(self, logits: Array, labels: Array, rows: Array, slopes: Array) -> Array:
        """Mean values over each seed's batch; the gradient goes into `slopes`.

        Parameters
        ----------
        logits : ndarray of shape (R, at least H · C), float32 or float64
        labels, rows : ndarray of shape (R,), int64
            Given labels, and which of the remembered rows these are.
        slopes : ndarray of shape (R, at least H · C)
            Its first H · C columns are written: the gradient of the mean over the seed's batch.

        Returns
        -------
        ndarray of shape (S, H), float64
            Without the L1 part, which is not a function of the logits.
        """
        n, n_heads, n_classes = len(logits), len(self.recipes), self._n_classes
        batch = n // self._n_seeds
        per_thread = max(1, _SLICE // (n_heads * n_classes))
        log_p = np.empty((n, n_heads * n_classes), logits.dtype)
        in_slices(_center, n, logits, n_classes, log_p, rows=per_thread)
        p = np.exp(log_p)
        in_slices(_normalize, n, log_p, p, n_classes, rows=per_thread)
        log_even = self._log_mean(p, batch)
        values = np.empty((n, n_heads))
        in_slices(
            _losses,
            n,
            log_p,
            p,
            labels,
            rows,
            batch,
            self._table,
            self._slots,
            self._memory,
            log_even,
            values,
            slopes,
            rows=per_thread,
        )
        return np.asarray(values.reshape(self._n_seeds, batch, n_heads).mean(axis=1))

    def _log_mean(self, p: Array, batch: int) -> Array:
        """Log of each seed's mean prediction, (S, H, C), for losses that look at its entropy."""
        n_classes = self._n_classes
        log_mean = np.zeros((self._n_seeds, len(self.recipes), n_classes))
        for h, recipe in enumerate(self.recipes):
            if recipe.entropy:
                _mean(p, batch, h * n_classes, log_mean[:, h])
                log_mean[:, h] = np.log(np.maximum(log_mean[:, h], recipe.min_prob))
        return log_mean

    def keep(self, seeds: Sequence[int], heads: Sequence[int]) -> "BatchedLoss":
        """These seeds and heads only, with what is remembered of their rows."""
        recipes = [self.recipes[h] for h in heads]
        kept = BatchedLoss(recipes, self._n_classes, len(seeds), self._memory.shape[2])
        slots = [int(self._slots[h]) for h in heads if self._slots[h] >= 0]
        kept._memory = np.ascontiguousarray(self._memory[slots][:, list(seeds)])
        return kept


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _center(start, stop, logits, n_classes, out):  # type: ignore[no-untyped-def]
    for r in range(start, stop):
        for first in range(0, out.shape[1], n_classes):
            highest = logits[r, first]
            for j in range(first + 1, first + n_classes):
                highest = max(highest, logits[r, j])
            for j in range(first, first + n_classes):
                out[r, j] = logits[r, j] - highest


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _normalize(start, stop, log_p, p, n_classes):  # type: ignore[no-untyped-def]
    for r in range(start, stop):
        for first in range(0, p.shape[1], n_classes):
            total = 0.0
            for j in range(first, first + n_classes):
                total += p[r, j]
            log_total, factor = math.log(total), 1.0 / total
            for j in range(first, first + n_classes):
                log_p[r, j] -= log_total
                p[r, j] *= factor


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _mean(p, batch, first, means):  # type: ignore[no-untyped-def]
    for r in range(len(p)):
        for k in range(means.shape[1]):
            means[r // batch, k] += p[r, first + k] / batch


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _losses(  # type: ignore[no-untyped-def]
    start, stop, log_p, p, labels, rows, batch, table, slots, memory, log_even, values, slopes
):
    n_classes = log_even.shape[2]
    D, share = np.empty(n_classes), 1.0 / batch
    for r in range(start, stop):
        y, seed = labels[r], r // batch
        for h in range(len(table)):
            loss, first = table[h], h * n_classes
            lp, q = log_p[r, first : first + n_classes], p[r, first : first + n_classes]
            D[:] = 0.0
            value = _of_given(loss, lp[y], q[y], y, D)
            if loss.reverse != 0.0:
                value += _reverse(loss, q, y, D)
            if loss.normalized != 0.0:
                value += _normalized(loss, lp, q, y, D)
            if loss.negative != 0.0:
                value += _negative(loss, lp, q, y, D)
            if loss.entropy != 0.0:
                value += _unevenness(loss, q, log_even[seed, h], D)
            if slots[h] >= 0:
                value += _early(loss, q, memory[slots[h], seed, rows[r]], D)
            values[r, h] = value
            total = D.sum()
            for k in range(n_classes):
                slopes[r, first + k] = (D[k] - q[k] * total) * share


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _raised(x, exponent):  # type: ignore[no-untyped-def]
    if exponent == 0.0:
        return 1.0
    if exponent == 1.0:
        return x
    return math.sqrt(x) if exponent == 0.5 else x**exponent


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _of_given(loss, log_y, p_y, y, D):  # type: ignore[no-untyped-def]
    """Terms in p_y alone: cross entropy and focal loss, power terms, the exponential term."""
    value = 0.0
    if loss.log != 0.0:
        weight = loss.log * _raised(max(0.0, 1.0 - p_y), loss.gamma)
        value -= weight * log_y
        D[y] -= weight
    if loss.power != 0.0:
        inner = loss.shift + loss.sign * max(p_y, loss.floor)
        powered = _raised(inner, loss.exponent)
        top = _raised(loss.shift + loss.sign, loss.exponent)
        value += loss.power * loss.sign * (top - powered) / loss.exponent
        if p_y > loss.floor:
            D[y] -= loss.power * p_y * powered / inner
    if loss.exponential != 0.0:
        decayed = loss.exponential * math.exp(-p_y / loss.scale)
        value += decayed
        D[y] -= decayed * p_y / loss.scale
    return value


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _reverse(loss, p, y, D):  # type: ignore[no-untyped-def]
    """Σ_{k≠y} p_k with p floored: constant where p_k is below the floor."""
    total = 0.0
    for k in range(len(p)):
        if k != y:
            total += max(p[k], _REVERSE_FLOOR)
            if p[k] > _REVERSE_FLOOR:
                D[k] += loss.reverse * p[k]
    return loss.reverse * total


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _normalized(loss, log_p, p, y, D):  # type: ignore[no-untyped-def]
    """F(y) / Σ_k F(k), F(k) = -w_k log p_k, the focal factors w_k = (1 - p_k)^γ held fixed."""
    gamma, total = loss.gamma, 0.0
    if gamma == 0.0:
        for k in range(len(p)):
            total += log_p[k]
    else:
        for k in range(len(p)):
            total += _raised(max(0.0, 1.0 - p[k]), gamma) * log_p[k]
    w_y = _raised(max(0.0, 1.0 - p[y]), gamma)
    share = loss.normalized * w_y * log_p[y] / total
    slope = share / total
    if gamma == 0.0:
        for k in range(len(p)):
            D[k] -= slope
    else:
        for k in range(len(p)):
            D[k] -= _raised(max(0.0, 1.0 - p[k]), gamma) * slope
    D[y] += loss.normalized * w_y / total
    return share


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _negative(loss, log_p, p, y, D):  # type: ignore[no-untyped-def]
    """1 - (A - F(y)) / Σ_k (A - F(k)), with log p floored and A the F of the floor."""
    lowest = math.log(loss.min_prob)
    top = -_raised(1.0 - loss.min_prob, loss.gamma) * lowest
    total = 0.0
    for k in range(len(p)):
        w = _raised(max(0.0, 1.0 - max(p[k], loss.min_prob)), loss.gamma)
        total += top + w * max(log_p[k], lowest)
    w_y = _raised(max(0.0, 1.0 - max(p[y], loss.min_prob)), loss.gamma)
    share = loss.negative * (top + w_y * max(log_p[y], lowest)) / total
    for k in range(len(p)):
        if log_p[k] > lowest:
            D[k] += _raised(max(0.0, 1.0 - max(p[k], loss.min_prob)), loss.gamma) * share / total
    if log_p[y] > lowest:
        D[y] -= loss.negative * w_y / total
    return loss.negative - share


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _unevenness(loss, p, log_mean, D):  # type: ignore[no-untyped-def]
    """The row's part of log K + Σ_c m_c log m_c, m being the batch's mean prediction."""
    total = math.log(len(p))
    for k in range(len(p)):
        total += p[k] * log_mean[k]
        D[k] += loss.entropy * p[k] * log_mean[k]
    return loss.entropy * total


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _early(loss, p, t, D):  # type: ignore[no-untyped-def]
    """log(1 - <t, p>) after the row's memory t has taken in its p."""
    total, inner = 0.0, 0.0
    for k in range(len(p)):
        total += min(max(p[k], _EARLY_FLOOR), 1.0 - _EARLY_FLOOR)
    for k in range(len(p)):
        clamped = min(max(p[k], _EARLY_FLOOR), 1.0 - _EARLY_FLOOR)
        t[k] = loss.memory * t[k] + (1.0 - loss.memory) * clamped / total
        inner += t[k] * clamped
    for k in range(len(p)):
        if _EARLY_FLOOR < p[k] < 1.0 - _EARLY_FLOOR:
            D[k] -= loss.early * t[k] * p[k] / (1.0 - inner)
    return loss.early * math.log(1.0 - inner)

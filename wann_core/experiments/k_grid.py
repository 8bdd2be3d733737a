"""Accuracy under many bounds of the adaptive k at once, from one neighbor graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pandas as pd

from wann_core.errors import WannError, check_number
from wann_core.experiments.prepared import PreparedData
from wann_core.methods.metrics import paired_gain_interval, wilson_interval
from wann_core.parallel import in_slices
from wann_core.progress import Progress
from wann_core.typing import Array

METHODS = ("WANN", "ANN")


class BoundedVotes:
    """kNN, ANN and WANN votes on the same rows under any k or bounds.

    What does not depend on the bounds is found once: the majority of the k nearest rows for every
    k, and from it the first k that explains each training label. The adaptive k within k_min and
    k_max is that first k from k_min on, in steps of 2, or k_max if it is not below k_max.

    Parameters
    ----------
    train_ids : ndarray of shape (n, K), integer
        Neighbors of each training row, nearest first, the row itself left out.
    labels : ndarray of shape (n,), integer
        Class ids from 0, possibly noisy.
    test_ids : ndarray of shape (m, K'), integer
        Training neighbors of each judged row, nearest first.
    k_most : int
        Largest k or bound that will be asked for.

    Raises
    ------
    WannError
        If `k_most` is not a whole number from 1 to the number of neighbors.
    """

    def __init__(self, train_ids: Array, labels: Array, test_ids: Array, k_most: int) -> None:
        most = min(train_ids.shape[1], test_ids.shape[1])
        check_number("k_most", k_most, 1, most, whole=True)
        self.k_most = k_most
        self.ids = np.ascontiguousarray(test_ids[:, :k_most], np.int32)
        self.labels = np.ascontiguousarray(labels, np.int32)
        self.n_classes = int(self.labels.max()) + 1
        self._majorities = self._running_majorities(self.ids)
        self._first = self._first_agreeing(train_ids)

    def knn(self, k: int) -> Array:
        """Answers of kNN, as `vote` gives them; shape (m,), int32."""
        check_number("k", k, 1, self.k_most, whole=True)
        return np.asarray(self._majorities[k - 1])

    def ann(self, k_min: int, k_max: int) -> Array:
        """Answers of ANN; shape (m,), int32."""
        self._check(k_min, k_max)
        k = np.minimum(self._first[k_min, self.ids[:, 0]], k_max)
        return np.asarray(self._majorities[k - 1, np.arange(len(k))])

    def wann(self, k_min: int, k_maxs: Array) -> Array:
        """Answers of WANN for one k_min and several k_max; shape (len(k_maxs), m), int32."""
        for k_max in k_maxs.tolist():
            self._check(k_min, k_max)
        weights = np.empty(self.k_most + 1)
        weights[0], weights[1:] = np.nan, 1.0 / np.arange(1, self.k_most + 1)
        result = np.empty((len(k_maxs), len(self.ids)), np.int32)
        in_slices(
            _weighted_votes,
            len(self.ids),
            self.ids,
            self.labels,
            self._first[k_min],
            np.ascontiguousarray(k_maxs, np.int32),
            weights,
            self.n_classes,
            result,
            rows=1024,
        )
        return result

    def _check(self, k_min: int, k_max: int) -> None:
        check_number("k_max", k_max, 1, self.k_most, whole=True)
        check_number("k_min", k_min, 1, k_max, whole=True)

    def _running_majorities(self, ids: Array) -> Array:
        """Majority of the k nearest for k = 1 … k_most; shape (k_most, rows), int32."""
        result = np.empty((self.k_most, len(ids)), np.int32)
        in_slices(_majorities, len(ids), ids, self.labels, self.n_classes, result)
        return result

    def _first_agreeing(self, train_ids: Array) -> Array:
        """Row k: the first of k, k + 2, … at which a label is explained, else a huge number."""
        train = np.ascontiguousarray(train_ids[:, : self.k_most], np.int32)
        agrees = self._running_majorities(train) == self.labels
        never = np.iinfo(np.int32).max
        first = np.full((self.k_most + 3, len(train)), never, np.int32)
        for k in range(self.k_most, 0, -1):
            first[k] = np.where(agrees[k - 1], k, first[k + 2])
        return first


@dataclass(frozen=True, eq=False)
class KGrid:
    """Accuracy of ANN and WANN under many bounds, and of kNN under many k.

    Attributes
    ----------
    bounds : DataFrame
        method_name, k_min, k_max, accuracy with its 95 % Wilson interval (accuracy_low,
        accuracy_high), and gain: the paired difference to the same method under the scenario's
        own bounds, whose 95 % interval is gain ± gain_half. All are shares of 1.
    knn : DataFrame
        k = 1 … largest bound, accuracy, accuracy_low, accuracy_high.
    present : tuple of int
        The scenario's own k_min and k_max.
    chosen_apart : dict
        By method, (gain, half) of bounds that were chosen without the rows that judge them: the
        best on one random half of the rows answer for the other half. The interval is that of the
        rows; it does not hold the doubt about the choice itself.
    """

    bounds: pd.DataFrame
    knn: pd.DataFrame
    present: tuple[int, int]
    chosen_apart: dict[str, tuple[float, float]]

    def best(self, method: str) -> pd.DataFrame:
        """The bounds of the highest accuracy of a method; more than one row where they tie."""
        rows = self.bounds[self.bounds["method_name"] == method]
        best: pd.DataFrame = rows[rows["accuracy"] == rows["accuracy"].max()]
        return best


def k_grid(
    prepared: PreparedData,
    k_mins: Sequence[int],
    k_maxs: Sequence[int],
    *,
    progress: Progress | None = None,
) -> KGrid:
    """Evaluate ANN and WANN under all pairs of bounds in which k_min is not above k_max.

    Each number is the one that `classify` gives for a scenario under these bounds; where there are
    few rows the bounds are cut as there, see `PreparedData.k_bounds`.

    Parameters
    ----------
    prepared : PreparedData
        Its scenario's own bounds are what gains refer to.
    k_mins, k_maxs : sequence of int
    progress : callable, optional
        May raise to stop.

    Returns
    -------
    KGrid

    Raises
    ------
    WannError
        If there is no such pair, or a bound is below 1 or larger than what was searched.
    """
    highs = np.unique(np.asarray(k_maxs, np.int64))
    lows = [k_min for k_min in sorted(set(k_mins)) if len(highs) and k_min <= highs[-1]]
    if not lows:
        raise WannError("`k_mins` must hold a value that is not above all `k_maxs`.", "k_min")
    graph, truth = prepared.graph, prepared.y_test
    assert graph.test_ids is not None
    limit = len(prepared.labels) - 1
    present = prepared.k_bounds
    k_most = max(min(int(highs[-1]), limit), present[1])
    votes = BoundedVotes(graph.train_ids, prepared.labels, graph.test_ids, k_most)
    now = {
        "WANN": votes.wann(present[0], np.array([present[1]]))[0] == truth,
        "ANN": votes.ann(*present) == truth,
    }
    first_half = np.random.default_rng(0).permutation(len(truth)) % 2 == 0
    crossed = {method: _Crossed(first_half) for method in METHODS}
    records: list[dict[str, Any]] = []
    for done, k_min in enumerate(lows):
        if progress is not None:
            progress(done, len(lows), "bounds of the adaptive k")
        above = highs[highs >= k_min]
        cut, cut_min = np.minimum(above, limit), min(k_min, limit)
        answers = votes.wann(cut_min, cut)
        for k_max, cut_max, wann in zip(above.tolist(), cut.tolist(), answers, strict=True):
            right = {"WANN": wann == truth, "ANN": votes.ann(cut_min, cut_max) == truth}
            for method in METHODS:
                crossed[method].consider(right[method])
                gain, half = paired_gain_interval(right[method], now[method])
                records.append(
                    {
                        "method_name": method,
                        "k_min": k_min,
                        "k_max": k_max,
                        **_accuracy(right[method]),
                        "gain": gain,
                        "gain_half": half,
                    }
                )
    knn = [{"k": k, **_accuracy(votes.knn(k) == truth)} for k in range(1, k_most + 1)]
    apart = {m: paired_gain_interval(crossed[m].right, now[m]) for m in METHODS}
    own = prepared.scenario.k_min, prepared.scenario.k_max
    return KGrid(pd.DataFrame(records), pd.DataFrame(knn), own, apart)


def _accuracy(right: Array) -> dict[str, float]:
    correct = int(right.sum())
    low, high = wilson_interval(correct, len(right))
    return {"accuracy": correct / len(right), "accuracy_low": low, "accuracy_high": high}


class _Crossed:
    """Correctness of each row under the bounds that are best on the other half."""

    def __init__(self, first_half: Array) -> None:
        self._halves = (first_half, ~first_half)
        self._most = [-1, -1]
        self.right = np.zeros(len(first_half), bool)

    def consider(self, right: Array) -> None:
        for i, half in enumerate(self._halves):
            correct = int(right[half].sum())
            if correct > self._most[i]:
                self._most[i] = correct
                self.right[~half] = right[~half]


@numba.njit(nogil=True, cache=True)
def _majorities(start, stop, ids, labels, n_classes, result):  # type: ignore[no-untyped-def]
    counts = np.zeros(n_classes, np.int32)
    for i in range(start, stop):
        leader, most = -1, 0
        for j in range(ids.shape[1]):
            c = labels[ids[i, j]]
            counts[c] += 1
            if counts[c] > most or (counts[c] == most and c < leader):
                leader, most = c, counts[c]
            result[j, i] = leader
        for j in range(ids.shape[1]):
            counts[labels[ids[i, j]]] = 0


@numba.njit(nogil=True, cache=True)
def _weighted_votes(start, stop, ids, labels, first, k_maxs, weights, n_classes, result):  # type: ignore[no-untyped-def]
    n_neighbors = ids.shape[1]
    sums = np.zeros(n_classes)
    classes = np.empty(n_neighbors, np.int32)
    explained = np.empty(n_neighbors, np.int32)
    for i in range(start, stop):
        for j in range(n_neighbors):
            classes[j] = labels[ids[i, j]]
            explained[j] = first[ids[i, j]]
        for b in range(len(k_maxs)):
            k_max = k_maxs[b]
            voters = min(explained[0], k_max)
            # Added from nearest to farthest, as `vote` does: the order decides the last bit.
            for j in range(voters):
                sums[classes[j]] += weights[min(explained[j], k_max)]
            leader, most = classes[0], -1.0
            for j in range(voters):
                if sums[classes[j]] > most:
                    leader, most = classes[j], sums[classes[j]]
            result[b, i] = leader
            for j in range(voters):
                sums[classes[j]] = 0.0

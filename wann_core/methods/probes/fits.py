"""Records of a head's training, per epoch and at its end."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import binom

from wann_core.methods.probes.data import ProbeData
from wann_core.methods.probes.settings import ProbeSettings
from wann_core.typing import Array

if TYPE_CHECKING:
    from torch import Tensor


# Of the published scheduler: factor, floor, and by how much a better accuracy must be better.
_FACTOR, _LOWEST_RATE, _THRESHOLD = 0.1, 1e-5, 1e-4
_GUESSING = 0.01


class Epoch(NamedTuple):
    """One head after one epoch.

    Attributes
    ----------
    loss : str
        Name of the head's loss.
    seed : int
    epoch : int
        From 1.
    train_loss : float
        Mean over the epoch's steps; its L1 part as it is at the end.
    val_accuracy : float
        On the noisy validation labels, 0 to 1.
    test_accuracy : float
        On the test rows, 0 to 1; NaN if it was not watched.
    """

    loss: str
    seed: int
    epoch: int
    train_loss: float
    val_accuracy: float
    test_accuracy: float


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained head, as it was when its validation accuracy was best.

    Attributes
    ----------
    loss : str
    data : ProbeData
        What it was trained on.
    weight : ndarray of shape (C, d), float32
    bias : ndarray of shape (C,), float32
    epochs : tuple of Epoch
        All that it trained for.
    best_epoch : int
        The one that `weight` and `bias` come from, counted from 1.
    margins : ndarray of shape (n + v,), float32, or None
        Mean over the epochs of each row's margin, its given label's logit minus the highest other
        one: of the n training rows as they were visited, then of the v validation rows at the end
        of each epoch. Low for a label that the loss fits late or never.
    seconds : float
        The head's share of the wall time: each epoch's is divided among the heads in training.

    References
    ----------
    Pleiss et al., Identifying Mislabeled Data using the Area Under the Margin Ranking, NeurIPS
    2020 (margins).
    """

    loss: str
    data: ProbeData
    weight: Array
    bias: Array
    epochs: tuple[Epoch, ...]
    best_epoch: int
    margins: Array | None
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether the head came away from its first weights, see `beats_guessing`."""
        return beats_guessing(self.epochs[self.best_epoch - 1].val_accuracy, self.data.y_val)


def beats_guessing(accuracy: float, labels: Array) -> bool:
    """Whether an accuracy is significantly above always predicting the most common class.

    By a one-sided binomial test at 1 %. What does not has not begun to learn: 100 epochs may be too
    few steps, or their rate too low.

    Examples
    --------
    >>> labels = np.arange(200) % 10
    >>> beats_guessing(0.12, labels), beats_guessing(0.5, labels)
    (False, True)
    """
    commonest = int(np.bincount(labels).max())
    if commonest == len(labels):
        return True  # nothing can be better
    found = round(accuracy * len(labels))
    return float(binom.sf(found - 1, len(labels), commonest / len(labels))) < _GUESSING


@dataclass
class Head:
    """One loss under one task while it trains: what decides when it slows down and when it ends.

    Attributes
    ----------
    loss : str
    task : int
        Position of its task.
    rate : float
        Its learning rate.
    margins : ndarray or None
        Sums over the epochs; see `Fit.margins`.
    seconds : float
        See `Fit.seconds`.
    done : bool
        Whether it has stopped.
    """

    loss: str
    task: int
    rate: float
    margins: Array | None = None
    seconds: float = 0.0
    done: bool = False
    epochs: list[Epoch] = field(default_factory=list)
    _best: float = -math.inf
    _best_epoch: int = 0
    _weights: Array | None = None
    _waited: int = 0
    _plateau: float = -math.inf
    _bad: int = 0

    def after(self, epoch: Epoch, weights: "Tensor", settings: ProbeSettings) -> None:
        """Take note of an epoch, and of the weights (d + 1, C) at its end if they are the best.

        Any better accuracy restarts the wait for the early stop; the scheduler's wait only one
        that is better by 0.01 %, so that it may act before the stop.
        """
        self.epochs.append(epoch)
        accuracy = epoch.val_accuracy
        self._waited += 1
        if accuracy > self._best:
            self._best, self._best_epoch, self._waited = accuracy, epoch.epoch, 0
            self._weights = weights.cpu().numpy().copy()
        self._bad += 1
        if self._plateau < 0 or accuracy > self._plateau * (1 + _THRESHOLD):
            self._plateau, self._bad = accuracy, 0
        if self._bad > settings.patience:
            self.rate = max(self.rate * _FACTOR, min(self.rate, _LOWEST_RATE))
            self._bad = 0
        self.done = self._waited >= settings.patience or epoch.epoch == settings.num_epochs

    def fit(self, data: ProbeData) -> Fit:
        """The result, once it is done."""
        assert self._weights is not None
        return Fit(
            loss=self.loss,
            data=data,
            weight=np.ascontiguousarray(self._weights[:-1].T),
            bias=self._weights[-1],
            epochs=tuple(self.epochs),
            best_epoch=self._best_epoch,
            margins=None if self.margins is None else self.margins / len(self.epochs),
            seconds=self.seconds,
        )

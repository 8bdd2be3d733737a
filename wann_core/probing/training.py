"""Training linear probes: all losses and seeds together, each head until its own early stop."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wann_core.neighbors import Progress
from wann_core.probing.data import ProbeData
from wann_core.probing.recipes import Recipe
from wann_core.probing.settings import ProbeSettings
from wann_core.probing.stack import HeadStack
from wann_core.probing.terms import kind

Array = npt.NDArray[Any]

_CHUNK = 4096
_STEPS_PER_REPORT = 50
# Of the published scheduler: factor, floor, and by how much a better accuracy must be better.
_FACTOR, _LOWEST_RATE, _THRESHOLD = 0.1, 1e-5, 1e-4


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


@dataclass
class _Head:
    """One loss under one seed: what decides when it slows down and when it ends."""

    loss: str
    task: int
    rate: float
    epochs: list[Epoch] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = 0
    waited: int = 0
    best_weights: Array | None = None
    plateau: float = -math.inf
    bad: int = 0
    margins: Tensor | None = None
    seconds: float = 0.0
    done: bool = False

    def after(self, epoch: Epoch, weights: Callable[[], Array], patience: int, last: int) -> None:
        """Early stop at strictly better accuracy only; the scheduler wants 0.01 % more of it."""
        self.epochs.append(epoch)
        accuracy = epoch.val_accuracy
        if accuracy > self.best:
            self.best, self.best_epoch, self.waited = accuracy, epoch.epoch, 0
            self.best_weights = weights()
        else:
            self.waited += 1
        if accuracy > self.plateau * (1 + _THRESHOLD) or self.plateau == -math.inf:
            self.plateau, self.bad = accuracy, 0
        else:
            self.bad += 1
        if self.bad > patience:
            self.rate, self.bad = max(self.rate * _FACTOR, min(self.rate, _LOWEST_RATE)), 0
        self.done = self.waited >= patience or epoch.epoch == last


def train(
    tasks: Sequence[ProbeData],
    recipes: Mapping[str, Recipe],
    settings: ProbeSettings,
    *,
    device: str | None = None,
    watch_test: bool = False,
    margins: bool = False,
    progress: Progress | None = None,
    on_epoch: Callable[[list[Epoch]], None] | None = None,
    on_fit: Callable[[Fit], None] | None = None,
) -> list[Fit]:
    """Train a linear probe under each loss on each task, all in one pass over the data.

    Adam on shuffled batches; early stop and scheduler by the accuracy on the noisy validation rows;
    the weights of the best epoch. A seed fixes first weights and the order of the rows, so a head
    ends with the same weights whatever is trained beside it.

    Parameters
    ----------
    tasks : sequence of ProbeData
        Of one `group`: they share their embeddings and have equally many rows.
    recipes : mapping of str to Recipe
        Losses by name.
    settings : ProbeSettings
    device : str, optional
        Of torch; by default a GPU if there is one.
    watch_test : bool
        Measure the accuracy on the test rows after each epoch, for curves; nothing is chosen by it.
    margins : bool
        Keep each row's mean margin.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.
    on_epoch : callable, optional
        Gets every head's `Epoch` after each epoch.
    on_fit : callable, optional
        Gets each `Fit` as soon as its head stops.

    Returns
    -------
    list of Fit
        Task by task, loss by loss.
    """
    trainer = _Trainer(tasks, recipes, settings, device, watch_test, margins)
    fits: dict[tuple[int, str], Fit] = {}
    while trainer.training:
        epochs = trainer.epoch(progress)
        if on_epoch is not None:
            on_epoch(epochs)
        for head in trainer.take_finished():
            fit = trainer.fit(head)
            fits[head.task, head.loss] = fit
            if on_fit is not None:
                on_fit(fit)
    return [fits[task, loss] for task in range(len(tasks)) for loss in recipes]


class _Trainer:
    def __init__(
        self,
        tasks: Sequence[ProbeData],
        recipes: Mapping[str, Recipe],
        settings: ProbeSettings,
        device: str | None,
        watch_test: bool,
        margins: bool,
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.tasks, self.settings, self.watch_test = list(tasks), settings, watch_test
        self.X = self._with_ones(tasks[0].X)
        self.X_test = self._with_ones(tasks[0].X_test) if watch_test else self.X[:0]
        mean = self._stack([np.append(task.mean, 0) for task in tasks])
        std = self._stack([np.append(task.std, 1) for task in tasks])
        self.mean, self.scale = mean.float()[:, None], (1 / std).float()[:, None]
        self.train_rows, self.val_rows = (
            self._stack([getattr(task, name) for task in tasks]) for name in ("train", "val")
        )
        self.train_labels = self._stack([task.y_train for task in tasks])
        self.val_labels = self._stack([task.y_val for task in tasks])
        self.test_labels = self._stack([task.y_test for task in tasks[:1]])
        self.losses = sorted(recipes, key=lambda loss: kind(recipes[loss]))
        self.generators = [torch.Generator().manual_seed(task.scenario.seed) for task in tasks]
        initial = torch.stack([self._first_weights(g) for g in self.generators]).to(self.device)
        self.n = self.train_rows.shape[1]
        ordered = [recipes[loss] for loss in self.losses]
        self.stack = HeadStack(initial, ordered, self.n, settings.weight_decay)
        self.seeds = list(range(len(tasks)))
        self.heads = [
            [_Head(loss, task, settings.learning_rate) for loss in self.losses]
            for task in self.seeds
        ]
        if margins:
            rows = self.n + self.val_rows.shape[1]
            for head in self._all():
                head.margins = torch.zeros(rows, device=self.device)
        self.epochs_done = 0

    def _stack(self, arrays: Sequence[Array]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self.device)

    def _with_ones(self, X: Array) -> Tensor:
        """Rows with the constant 1 appended that the bias multiplies; mean 0 and std 1 keep it."""
        extended = np.ones((len(X), X.shape[1] + 1), np.float32)
        extended[:, :-1] = X
        return torch.from_numpy(extended).to(self.device)

    def _first_weights(self, generator: torch.Generator) -> Tensor:
        """As torch's own linear layer draws them, shape (d + 1, C)."""
        d, n_classes = self.X.shape[1] - 1, self.tasks[0].n_classes
        bound = 1 / math.sqrt(d)
        weight = torch.empty(n_classes, d).uniform_(-bound, bound, generator=generator)
        bias = torch.empty(n_classes).uniform_(-bound, bound, generator=generator)
        return torch.cat([weight, bias[:, None]], dim=1).T

    def _all(self) -> list[_Head]:
        return [head for row in self.heads for head in row]

    @property
    def training(self) -> list[_Head]:
        """Heads that have not stopped."""
        return [head for head in self._all() if not head.done]

    def epoch(self, progress: Progress | None) -> list[Epoch]:
        """Train every head for one epoch and measure it."""
        started = time.perf_counter()
        losses, margins = self._train_epoch(progress)
        val_margins, val = self._measure(self.X, self.val_rows, self.val_labels, margins is not None)
        test = torch.full_like(val, math.nan)
        if self.watch_test:
            rows = torch.arange(len(self.X_test), device=self.device).expand(len(self.seeds), -1)
            labels = self.test_labels.expand(len(self.seeds), -1)
            _, test = self._measure(self.X_test, rows, labels, False)
        self.epochs_done += 1
        weights = self.stack.weights
        numbers = torch.stack([losses.double(), val, test], dim=-1).tolist()
        active, records = self.training, []
        seconds = (time.perf_counter() - started) / len(active)
        for s, row in enumerate(self.heads):
            for h, head in enumerate(row):
                if head.done:
                    continue
                seed = self.tasks[head.task].scenario.seed
                record = Epoch(head.loss, seed, self.epochs_done, *numbers[s][h])
                own = weights[s, :, h]
                head.after(
                    record,
                    lambda own=own: own.cpu().numpy().copy(),
                    self.settings.patience,
                    self.settings.num_epochs,
                )
                head.seconds += seconds
                records.append(record)
                if head.margins is not None and margins is not None and val_margins is not None:
                    head.margins[: self.n] += margins[s, :, h]
                    head.margins[self.n :] += val_margins[s, :, h]
        return records

    def _train_epoch(self, progress: Progress | None) -> tuple[Tensor, Tensor | None]:
        """Mean losses (S, H) and, where they are kept, margins (S, n, H)."""
        orders = [torch.randperm(self.n, generator=self.generators[s]) for s in self.seeds]
        order = torch.stack(orders).to(self.device)
        at = torch.arange(len(self.seeds), device=self.device)[:, None]
        rates = torch.tensor([[head.rate for head in row] for row in self.heads]).to(self.device)
        total = torch.zeros_like(rates)
        keep = self.heads[0][0].margins is not None
        margins = total.new_empty((len(self.seeds), self.n, len(self.losses))) if keep else None
        batch = self.settings.batch_size
        for step, start in enumerate(range(0, self.n, batch)):
            rows = order[:, start : start + batch]
            labels = self.train_labels.gather(1, rows)
            x = self._normalised(self.X, self.train_rows.gather(1, rows))
            values, logits = self.stack.step(x, labels, rows, rates)
            total += values * rows.shape[1]
            if margins is not None:
                margins[at, rows] = _margins(logits, labels)
            if progress is not None and step % _STEPS_PER_REPORT == 0:
                count, most = len(self.training), self.settings.num_epochs
                done = self.epochs_done + start / self.n
                text = f"epoch {self.epochs_done + 1} of at most {most}, {count} in training"
                progress(done, most, text)
        return total / self.n + self.stack.penalties(), margins

    def _normalised(self, X: Tensor, rows: Tensor) -> Tensor:
        """Rows (S, B) of X under each seed's statistics, shape (S, B, d + 1)."""
        x = X.index_select(0, rows.flatten()).view(*rows.shape, X.shape[1])
        return x.sub_(self.mean).mul_(self.scale)

    def _measure(
        self, X: Tensor, rows: Tensor, labels: Tensor, with_margins: bool
    ) -> tuple[Tensor | None, Tensor]:
        """Margins (S, rows, H) if wanted, and accuracy (S, H) in float64."""
        right = torch.zeros((len(self.seeds), len(self.losses)), device=self.device)
        margins = []
        for start in range(0, rows.shape[1], _CHUNK):
            part = slice(start, start + _CHUNK)
            logits = self.stack.logits(self._normalised(X, rows[:, part]))
            right += (logits.argmax(dim=-1) == labels[:, part, None]).sum(dim=1)
            if with_margins:
                margins.append(_margins(logits, labels[:, part]))
        return torch.cat(margins, dim=1) if margins else None, right.double() / rows.shape[1]

    def take_finished(self) -> list[_Head]:
        """Heads that stopped in this epoch; losses and seeds that all stopped leave the stack."""
        finished = [h for h in self._all() if h.done and h.epochs[-1].epoch == self.epochs_done]
        seeds = [s for s, row in enumerate(self.heads) if not all(h.done for h in row)]
        losses = [
            h for h in range(len(self.losses)) if not all(self.heads[s][h].done for s in seeds)
        ]
        if seeds and (len(seeds) < len(self.seeds) or len(losses) < len(self.losses)):
            self.stack.keep(seeds, losses)
            self.heads = [[self.heads[s][h] for h in losses] for s in seeds]
            self.losses = [self.losses[h] for h in losses]
            self.seeds = [self.seeds[s] for s in seeds]
            at = torch.tensor(seeds, device=self.device)
            for name in ("mean", "scale", "train_rows", "val_rows", "train_labels", "val_labels"):
                setattr(self, name, getattr(self, name)[at])
        return finished

    def fit(self, head: _Head) -> Fit:
        """The result of a head that has stopped."""
        assert head.best_weights is not None
        mean = None if head.margins is None else head.margins.cpu().numpy() / len(head.epochs)
        return Fit(
            loss=head.loss,
            data=self.tasks[head.task],
            weight=np.ascontiguousarray(head.best_weights[:-1].T),
            bias=head.best_weights[-1],
            epochs=tuple(head.epochs),
            best_epoch=head.best_epoch,
            margins=mean,
            seconds=head.seconds,
        )


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Given label's logit minus the highest other one: (S, B, H, C), (S, B) → (S, B, H)."""
    y = labels[:, :, None, None].expand(*logits.shape[:3], 1)
    others = logits.scatter(-1, y, -math.inf).amax(dim=-1)
    return logits.gather(-1, y).squeeze(-1) - others

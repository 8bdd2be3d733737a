"""One pass over the data after another, for many heads, each until its own early stop."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from wann_core.methods.probes.data import ProbeData
from wann_core.methods.probes.fits import Epoch, Fit, Head
from wann_core.methods.probes.losses.recipes import Recipe
from wann_core.methods.probes.settings import ProbeSettings
from wann_core.methods.probes.stack import HeadStack
from wann_core.methods.probes.threads import Pace
from wann_core.typing import Array

_CHUNK = 4096
_STEPS_PER_REPORT = 50


class Inputs:
    """What all heads read: embeddings, rows, labels and statistics of every task, as tensors.

    Parameters
    ----------
    tasks : sequence of ProbeData
        Sharing their `X`, with equally many training and validation rows.
    device : torch.device
    watch_test : bool
        Whether the test rows are needed.
    """

    def __init__(self, tasks: Sequence[ProbeData], device: torch.device, watch_test: bool) -> None:
        self.device = device
        self.tasks = list(tasks)
        used = np.unique(np.concatenate([rows for t in tasks for rows in (t.train, t.val)]))
        self.X = self._with_ones(tasks[0].X[used])
        self.X_test = self._with_ones(tasks[0].X_test) if watch_test else None
        # The constant 1 that the bias multiplies stays as it is.
        self.mean = self._stack([np.append(task.mean, 0) for task in tasks]).float()[:, None]
        self.scale = self._stack([np.append(task.scale, 1) for task in tasks]).float()[:, None]
        self.train_rows = self._stack([np.searchsorted(used, task.train) for task in tasks])
        self.val_rows = self._stack([np.searchsorted(used, task.val) for task in tasks])
        self.train_labels = self._stack([task.y_train for task in tasks])
        self.val_labels = self._stack([task.y_val for task in tasks])
        self.test_labels = self._stack([task.y_test for task in tasks[:1]])

    def _stack(self, arrays: Sequence[Array]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self.device)

    def _with_ones(self, X: Array) -> Tensor:
        extended = np.ones((len(X), X.shape[1] + 1), np.float32)
        extended[:, :-1] = X
        return torch.from_numpy(extended).to(self.device)

    def first_weights(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Weights and biases as torch's own linear layer draws them, shape (S, d + 1, C)."""
        d, n_classes = self.X.shape[1] - 1, self.tasks[0].n_classes
        bound = 1 / math.sqrt(d)
        drawn = []
        for generator in generators:
            weight = torch.empty(n_classes, d).uniform_(-bound, bound, generator=generator)
            bias = torch.empty(n_classes).uniform_(-bound, bound, generator=generator)
            drawn.append(torch.cat([weight, bias[:, None]], dim=1).T)
        return torch.stack(drawn).to(self.device)


class Trainer:
    """Some losses under every task, from first weights to their early stops.

    Parameters
    ----------
    inputs : Inputs
    recipes : mapping of str to Recipe
        Losses by name.
    settings : ProbeSettings
    margins : bool
        Keep each row's mean margin.
    report : callable
        Gets the epochs done and the share of the current one, every few steps; may raise to stop.
    pace : Pace
        Chooses torch's threads.
    """

    def __init__(
        self,
        inputs: Inputs,
        recipes: Mapping[str, Recipe],
        settings: ProbeSettings,
        margins: bool,
        report: Callable[[float], None],
        pace: Pace,
    ) -> None:
        self.inputs, self.settings, self.report, self.pace = inputs, settings, report, pace
        self.epochs_done = 0
        self._losses = list(recipes)
        seeds = [task.seed for task in inputs.tasks]
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._n = inputs.train_rows.shape[1]
        self._set_tasks(list(range(len(inputs.tasks))))
        self._stack = HeadStack(
            inputs.first_weights(self._generators),
            list(recipes.values()),
            self._n,
            settings.learning_rate,
            settings.weight_decay,
        )
        rows = self._n + inputs.val_rows.shape[1]
        self._heads = [
            [
                Head(
                    loss,
                    task,
                    settings.learning_rate,
                    margins=np.zeros(rows, np.float32) if margins else None,
                )
                for loss in self._losses
            ]
            for task in range(len(inputs.tasks))
        ]

    def _set_tasks(self, tasks: list[int]) -> None:
        """Positions of the tasks that still train."""
        self._tasks = tasks
        self._mean, self._scale = self.inputs.mean[tasks], self.inputs.scale[tasks]
        self._rows = self.inputs.train_rows[tasks].cpu()
        self._labels = self.inputs.train_labels[tasks].cpu()

    @property
    def training(self) -> list[Head]:
        """Heads that have not stopped."""
        return [head for row in self._heads for head in row if not head.done]

    def epoch(self) -> list[Epoch]:
        """Train every head for one epoch and measure it."""
        started = time.perf_counter()
        inputs = self.inputs
        losses, margins = self._train_epoch()
        val_rows, val_labels = inputs.val_rows[self._tasks], inputs.val_labels[self._tasks]
        val, val_margins = self._measure(inputs.X, val_rows, val_labels, margins is not None)
        test = torch.full_like(val, math.nan)
        if inputs.X_test is not None:
            rows = torch.arange(len(inputs.X_test), device=inputs.device)
            shape = (len(self._tasks), len(rows))
            labels = inputs.test_labels.expand(shape)
            test, _ = self._measure(inputs.X_test, rows.expand(shape), labels, False)
        self.epochs_done += 1
        weights = self._stack.weights
        numbers = torch.stack([losses, val, test], dim=-1).tolist()
        seconds = (time.perf_counter() - started) / len(self.training)
        records = []
        for s, row in enumerate(self._heads):
            for h, head in enumerate(row):
                if head.done:
                    continue
                seed = inputs.tasks[head.task].seed
                records.append(Epoch(head.loss, seed, self.epochs_done, *numbers[s][h]))
                head.after(records[-1], weights[s, :, h], self.settings)
                head.seconds += seconds
                if head.margins is not None and margins is not None and val_margins is not None:
                    both = torch.cat([margins[s, :, h], val_margins[s, :, h]])
                    head.margins += both.cpu().numpy()
        return records

    def _train_epoch(self) -> tuple[Tensor, Tensor | None]:
        """Mean losses (S, H) and, where they are kept, margins (S, n, H)."""
        inputs, batch = self.inputs, self.settings.batch_size
        generators = [self._generators[task] for task in self._tasks]
        order = torch.stack([torch.randperm(self._n, generator=g) for g in generators])
        rates = torch.tensor([[head.rate for head in row] for row in self._heads])
        self._stack.set_learning_rates(rates)
        total = torch.zeros(rates.shape, dtype=torch.float64)
        margins = None
        if self._heads[0][0].margins is not None:
            shape = (len(order), self._n, len(self._losses))
            margins = torch.empty(shape, device=inputs.device)
        for step, start in enumerate(range(0, self._n, batch)):
            if step % _STEPS_PER_REPORT == 0:
                self.report(self.epochs_done + start / self._n)
            self.pace.before(step)
            rows = order[:, start : start + batch]
            labels = self._labels.gather(1, rows)
            x = self._normalized(inputs.X, self._rows.gather(1, rows).to(inputs.device))
            values, logits = self._stack.step(x, labels, rows)
            total += values * rows.shape[1]
            if margins is not None:
                seeds = torch.arange(len(rows), device=inputs.device)[:, None]
                found = _margins(logits, labels.to(inputs.device))
                margins[seeds, rows.to(inputs.device)] = found
        return total / self._n + self._stack.penalties().cpu(), margins

    def _normalized(self, X: Tensor, rows: Tensor) -> Tensor:
        """Rows (S, B) of X under each task's statistics, shape (S, B, d + 1)."""
        x = X.index_select(0, rows.flatten()).view(*rows.shape, X.shape[1])
        return x.sub_(self._mean).mul_(self._scale)

    def _measure(
        self, X: Tensor, rows: Tensor, labels: Tensor, with_margins: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Accuracy (S, H), and margins (S, rows, H) if wanted."""
        right = torch.zeros((len(rows), len(self._losses)), device=X.device)
        margins = []
        for start in range(0, rows.shape[1], _CHUNK):
            part = slice(start, start + _CHUNK)
            logits = self._stack.logits(self._normalized(X, rows[:, part]))
            right += (logits.argmax(dim=-1) == labels[:, part, None]).sum(dim=1)
            if with_margins:
                margins.append(_margins(logits, labels[:, part]))
        accuracy = right.cpu().double() / rows.shape[1]
        return accuracy, torch.cat(margins, dim=1) if margins else None

    def take_finished(self) -> list[Fit]:
        """Results of the heads that stopped in this epoch; what is no longer needed is dropped.

        Losses that stopped under all tasks leave the stack, and tasks under which all losses did.
        """
        fits = [
            head.fit(self.inputs.tasks[head.task])
            for row in self._heads
            for head in row
            if head.done and len(head.epochs) == self.epochs_done
        ]
        tasks = [s for s, row in enumerate(self._heads) if not all(head.done for head in row)]
        losses = [
            h for h in range(len(self._losses)) if not all(self._heads[s][h].done for s in tasks)
        ]
        if tasks and (len(tasks) < len(self._heads) or len(losses) < len(self._losses)):
            self._stack.keep(tasks, losses)
            self._heads = [[self._heads[s][h] for h in losses] for s in tasks]
            self._losses = [self._losses[h] for h in losses]
            self._set_tasks([self._tasks[s] for s in tasks])
        return fits


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Given label's logit minus the highest other one: (S, B, H, C), (S, B) → (S, B, H)."""
    y = labels[:, :, None, None].expand(*logits.shape[:3], 1)
    others = logits.scatter(-1, y, -math.inf).amax(dim=-1)
    return logits.gather(-1, y).squeeze(-1) - others

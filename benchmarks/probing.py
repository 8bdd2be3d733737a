"""Seconds an epoch of linear probes: one loss, all fifteen, and a `DataLoader` of single rows.

Run `python -m benchmarks.probing DATABASE_ROOT DATASET BACKBONE` on a database of your own, or
without arguments on made data of 50,000 × 640 rows in 10 classes. The three are measured in turn,
so that other work on the machine hits them alike; medians are printed, and two ratios.
"""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks._databases import named_or_made, write_clusters
from wann_core import Scenario
from wann_core.datasets import load
from wann_core.experiments.probe_data import ProbeData, Source, make_data
from wann_core.methods.probes import LOSSES, ProbeSettings, family_of, loss_parameters
from wann_core.methods.probes.fits import Epoch
from wann_core.methods.probes.losses.registry import recipe
from wann_core.methods.probes.training import train

EPOCHS = 3
ROWS, TEST_ROWS = 50_000, 1_000
ROUNDS = 3


class Rows(Dataset[tuple[Tensor, Tensor, int]]):
    """Single rows with their labels and positions, as a loader of images would hand them out."""

    def __init__(self, X: Tensor, y: Tensor) -> None:
        self.X, self.y = X, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, int]:
        return self.X[i], self.y[i], i


def loader_epochs(task: ProbeData, epochs: int) -> list[float]:
    """Seconds of each epoch of a module trained by autograd, row by row through a loader."""
    X = ((task.X - task.mean) * task.scale).astype(np.float32)
    train_rows, val_rows = (
        Rows(torch.from_numpy(X[rows]), torch.tensor(labels))
        for rows, labels in ((task.train, task.y_train), (task.val, task.y_val))
    )
    layer = nn.Linear(X.shape[1], task.n_classes)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-4)
    seconds = []
    for _ in range(epochs):
        started = time.perf_counter()
        for x, y, _i in DataLoader(train_rows, batch_size=128, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(layer(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, y, _i in DataLoader(val_rows, batch_size=128):
                (layer(x).argmax(dim=1) == y).sum()
        seconds.append(time.perf_counter() - started)
    return seconds


def our_epochs(task: ProbeData, losses: Sequence[str], epochs: int) -> list[float]:
    """Seconds of each epoch of these losses together."""
    family = family_of(task.dataset.name)
    recipes = {name: recipe(name, loss_parameters(name, family).values) for name in losses}
    # The last head of an epoch ends it; preparing the tensors comes before the first.
    ends: dict[int, float] = {}
    begun = math.inf

    def begin(done: float, total: float, text: str) -> None:
        nonlocal begun
        begun = min(begun, time.perf_counter())

    def note(finished: list[Epoch]) -> None:
        ends[finished[0].epoch] = time.perf_counter()

    settings = ProbeSettings(num_epochs=epochs, patience=epochs)
    train([task], recipes, settings, device="cpu", progress=begin, on_epoch=note)
    marks = [begun, *(ends[epoch] for epoch in sorted(ends))]
    return [end - start for start, end in itertools.pairwise(marks)]


def measure(root: Path, dataset: str, backbone: str) -> None:
    """Print the medians and ratios."""
    scenario = Scenario(dataset, backbone, noise_pattern="sym", noise_ratio=0.4, draw="exact")
    source = Source.of(load(dataset, backbone, root), scenario.normalization)
    task = make_data(scenario, source)
    print(f"{dataset}, {len(task.train):,} + {len(task.val):,} rows × {task.X.shape[1]}")
    contestants: dict[str, Callable[[], list[float]]] = {
        "DataLoader, ce": lambda: loader_epochs(task, 1),
        "ce": lambda: our_epochs(task, ("ce",), EPOCHS),
        "fifteen losses": lambda: our_epochs(task, LOSSES, EPOCHS),
    }
    our_epochs(task, LOSSES, 1)  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            seconds[name] += run()
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, times in seconds.items():
        print(f"{name:15} {medians[name]:6.3f} s an epoch (best {min(times):.3f})")
    loader, one, all_losses = medians.values()
    print(f"fifteen losses / ce: {all_losses / one:.2f}")
    print(f"DataLoader / ce: {loader / one:.2f}")


def main() -> None:
    """Measure on the database named, or on one that is made."""
    named_or_made(measure, partial(write_clusters, rows=(ROWS, TEST_ROWS), columns=640, spread=8))


if __name__ == "__main__":
    main()

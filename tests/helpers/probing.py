"""Rows for linear probes, and their training."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.helpers.reference import small_database
from wann_core import Scenario
from wann_core.datasets import Dataset, Split
from wann_core.experiments.probe_data import ProbeData, Source, make_data
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.probes.fits import Fit
from wann_core.methods.probes.losses.registry import loss_parameters, recipe
from wann_core.methods.probes.training import train

RECIPES = {name: recipe(name, loss_parameters(name, "cifar10").values) for name in LOSSES}
NOISY = Scenario(noise_pattern="sym", noise_ratio=0.3, draw="exact")
# Faster than the published rate, so that so few rows are learned within a few epochs.
FAST = ProbeSettings(learning_rate=0.01, num_epochs=30)


def small(val: bool = False) -> Dataset:
    """The small database, with its test rows as a validation split too if asked."""
    (X, y), (X_test, y_test) = small_database().values()
    splits = [
        Split(x.astype(np.float32), labels.ravel().astype(np.int64), np.arange(len(x)))
        for x, labels in ((X, y), (X_test, y_test))
    ]
    return Dataset("small", "tiny", tuple("abcd"), splits[0], splits[1], splits[1] if val else None)


def tasks_of(scenarios: Sequence[Scenario], data: Dataset) -> list[ProbeData]:
    source = Source.of(data, scenarios[0].normalization)
    return [make_data(scenario, source) for scenario in scenarios]


def fit(tasks: list[ProbeData], losses: Sequence[str], **options: Any) -> list[Fit]:
    settings = options.pop("settings", FAST)
    return train(tasks, {name: RECIPES[name] for name in losses}, settings, device="cpu", **options)

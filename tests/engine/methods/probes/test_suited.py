"""Settings of probes that learn from few rows, and runs that learned nothing."""

import dataclasses

import numpy as np
import pytest

from wann_core import Scenario
from wann_core.experiments.probe_runs import run_trained
from wann_core.experiments.records import report_record
from wann_core.methods.probes import ProbeSettings
from wann_core.methods.probes.fits import beats_guessing

NOISY = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact")
LOSSES = ("ce", "gce", "nce_mae", "elr")


def records(settings: ProbeSettings) -> dict[str, dict[str, object]]:
    asked = [dataclasses.replace(NOISY, method=name, probe=settings) for name in LOSSES]
    return {report.scenario.method: report_record(report) for report in run_trained(asked)}


def test_published_settings_end_where_they_began_on_few_rows_and_are_marked() -> None:
    made = records(ProbeSettings())
    for name, record in made.items():
        assert record["accuracy"] < 0.2, name  # type: ignore[operator]
        assert record["converged"] is False, name


@pytest.mark.slow
def test_suited_settings_learn_from_few_rows() -> None:
    made = records(ProbeSettings.suited_to(1200))
    for name, record in made.items():
        assert record["accuracy"] > 0.88, name  # type: ignore[operator]
        assert record["converged"] is True, name


@pytest.mark.parametrize("rows", [1, 100, 1_000, 5_000, 20_000, 49_920, 1_000_000])
def test_settings_follow_the_rows_down_to_the_published_ones(rows: int) -> None:
    made, published = ProbeSettings.suited_to(rows), ProbeSettings()
    steps = max(-(-rows // made.batch_size), 1)
    assert published.learning_rate <= made.learning_rate <= 0.01
    assert made.patience >= published.patience
    assert made.patience * steps >= min(500, 60 * steps)
    assert made.num_epochs >= made.patience
    if rows >= 49_920:
        assert made == published


def test_guessing_is_separated_from_learning() -> None:
    even = np.arange(200) % 10
    lopsided = np.repeat([0, 1], [180, 20])
    assert not beats_guessing(0.1, even) and not beats_guessing(0.15, even)
    assert beats_guessing(0.2, even)
    assert not beats_guessing(0.9, lopsided) and beats_guessing(0.96, lopsided)
    assert beats_guessing(1.0, np.zeros(5, np.int64))  # one class: nothing can be better

"""Mean reliabilities equal a plain loop, and empty groups stay empty."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from wann_core import Scenario, prepare
from wann_core.explore.reliability import (
    adaptive_k_by_class,
    by_class_pair,
    by_ratio,
    distribution,
    of_kind,
)

NOISY = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact")


def test_distribution_counts_every_label_once() -> None:
    prepared = prepare(NOISY)
    table = distribution(prepared)
    assert table.groupby("kind")["share"].sum().round(12).eq(1).all()
    assert table["rows"].sum() == len(prepared.labels)
    flipped = prepared.labels != prepared.clean_labels
    for row in table.itertuples():
        wanted = flipped if row.kind == "flipped" else ~flipped
        assert row.rows == (prepared.adaptive_k[wanted] == row.adaptive_k).sum()
        assert row.reliability == 1 / row.adaptive_k


def test_clean_labels_leave_the_flipped_without_shares() -> None:
    table = distribution(prepare(Scenario()))
    assert table.loc[table["kind"] == "flipped", "share"].isna().all()
    assert (table.loc[table["kind"] == "flipped", "rows"] == 0).all()


def test_class_pairs_equal_a_loop() -> None:
    p = prepare(dataclasses.replace(NOISY, noise_pattern="asym"))
    table = by_class_pair(p)
    assert len(table) == 100
    assert table["reliability"].isna().any()
    for row in table.itertuples():
        cell = (p.clean_labels == row.true_class_id) & (p.labels == row.given_label_id)
        assert row.rows == cell.sum()
        expected = p.reliability[cell].mean() if cell.any() else np.nan
        assert row.reliability == pytest.approx(expected, nan_ok=True)


def test_adaptive_k_of_a_class_adds_up() -> None:
    p = prepare(NOISY)
    table = adaptive_k_by_class(p)
    assert table.groupby("given_label_id")["share"].sum().round(12).eq(1).all()
    for row in table.itertuples():
        assert row.rows == (p.adaptive_k[p.labels == row.given_label_id] == row.adaptive_k).sum()


def test_ratios_equal_scenarios_of_their_own() -> None:
    seen: list[tuple[float, float, str]] = []
    scenario = dataclasses.replace(NOISY, k_min=5, k_max=31)
    table = by_ratio(scenario, (0.0, 0.3, 1.0), progress=lambda *report: seen.append(report))
    assert seen[0] == (0, 3, "noise ratio 0")
    assert all(done <= total == 3 for done, total, _ in seen)
    for row in table.itertuples():
        p = prepare(dataclasses.replace(scenario, noise_ratio=row.noise_ratio))
        cell = of_kind(p, row.kind) & (p.labels == row.given_label_id)
        assert row.rows == cell.sum()
        expected = p.reliability[cell].mean() if cell.any() else np.nan
        assert row.reliability == pytest.approx(expected, nan_ok=True)
        assert row.realised_noise == p.noise_ratio
    empty = table[(table["noise_ratio"] == 0) & (table["kind"] == "flipped")]
    assert empty["reliability"].isna().all()


def test_one_graph_serves_all_ratios(builds: list[Any]) -> None:
    scenario = dataclasses.replace(NOISY, num_subsamples=317)
    by_ratio(scenario, [step / 10 for step in range(11)])
    assert len(builds) == 1

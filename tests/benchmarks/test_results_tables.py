"""The tables of docs/results.md."""

from typing import Any

import numpy as np
import pytest

from docs import make_results
from docs.results_tables import (
    TABLES,
    accuracy_table,
    by_condition,
    difference,
    order_table,
    pair_table,
)
from wann_core import Scenario
from wann_core.paths import DEFAULT_ROOTS

ROWS = 4000


def run_of(method: str, accuracy: float, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A kept run whose right answers are drawn, alike for all methods of a seed."""
    level = np.random.default_rng(seed).random(ROWS)
    return {
        "data": "cifar10",
        "backbone": "one",
        "rows": "5,000",
        "labels": "clean",
        "seed": seed,
        "method": method,
        "wrong": 0.25,
        "right": level < accuracy,
        "seconds": 2.0,
        **changes,
    }


def test_a_paired_difference_is_that_of_the_rows_and_its_interval_that_of_mcnemar() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((1, ROWS)) < 0.7, rng.random((1, ROWS)) < 0.6
    gap, low, high = difference(a, b)
    assert gap == pytest.approx(100 * (a.mean() - b.mean()))
    half = 196 * np.sqrt((a.astype(float) - b).var() / ROWS)
    assert (low, high) == pytest.approx((gap - half, gap + half), rel=0.05)
    # What both find hard cancels out, and a single run stands for all seeds.
    same = np.repeat(a, 3, axis=0)
    assert difference(a, same) == (0, 0, 0)


def test_seeds_that_disagree_widen_the_interval() -> None:
    rows = np.arange(ROWS) % 10
    steady = np.stack([rows < 6] * 3)
    moving = np.stack([rows < 5, rows < 6, rows < 7])
    none = np.stack([rows < 5] * 3)
    gap, low, high = difference(steady, none)
    assert gap == pytest.approx(10) and high - low < 3
    gap, low, high = difference(moving, none)
    assert gap == pytest.approx(10) and high - low > 10


def test_the_best_and_what_is_level_with_it_are_bold() -> None:
    runs = [run_of("WANN", 0.8), run_of("logreg", 0.8), run_of("kNN-51", 0.6)]
    # As often right as the first to a row, on other rows.
    runs[1]["right"] = np.roll(runs[0]["right"], 1)
    runs[1]["right"][runs[1]["right"].argmax()] = False
    line = accuracy_table("5,000")(runs).splitlines()[2]
    assert [cell.strip() for cell in line.strip("|").split("|")[3:]] == [
        "1",
        f"**{100 * runs[0]['right'].mean():.1f}**",
        f"**{100 * runs[1]['right'].mean():.1f}**",
        f"{100 * runs[2]['right'].mean():.1f}",
    ]
    assert accuracy_table("500")(runs) == "Not measured yet."


def test_methods_are_compared_on_the_seeds_that_all_have() -> None:
    seeds = {"WANN": (0, 1, 2), "logreg": (0, 2), "kNN-51": (0,)}
    runs = [run_of(method, 0.7, seed) for method, own in seeds.items() for seed in own]
    (found,) = by_condition(runs, "5,000").values()
    assert {method: len(right) for method, right in found.items()} == {
        "WANN": 2,
        "logreg": 2,
        "kNN-51": 1,
    }
    np.testing.assert_array_equal(found["WANN"], found["logreg"])


def test_pairs_are_counted_by_what_their_interval_says() -> None:
    runs = [
        run_of(method, accuracy, labels=labels)
        for labels, pair in {"a": (0.8, 0.7), "b": (0.7, 0.8), "c": (0.7, 0.7)}.items()
        for method, accuracy in zip(("WANN", "logreg"), pair, strict=True)
    ]
    text = pair_table([("WANN", "logreg")], ["5,000"])(runs)
    assert "ahead in 1, level in 1, behind in 1." in text
    assert "| c | one | +0.0 (+0.0 to +0.0) |" in text


def test_pairs_that_turn_round_with_the_backbone_are_named() -> None:
    ways = {"one": (0.8, 0.7, 0.6), "two": (0.6, 0.7, 0.8)}
    runs = [
        run_of(method, accuracy, backbone=backbone)
        for backbone, three in ways.items()
        for method, accuracy in zip(("WANN", "ce", "logreg"), three, strict=True)
    ]
    text = order_table(runs)
    assert "-1.00 in the median of 1 conditions" in text
    assert "Of 3 pairs of methods that both distinguish, 3 stand the other way round" in text
    assert "clean: WANN before logreg" in text
    assert all(isinstance(make(runs), str) for make in TABLES.values())


def test_what_is_kept_is_not_measured_again(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_results, "SEEDS", (0, 1))
    scenario = Scenario(num_subsamples=100)
    one = make_results.Condition(("digits", "pixels"), "500", "clean", scenario, ("kNN-11", "WANN"))
    file, results = tmp_path / "runs.jsonl", list[dict[str, Any]]()
    make_results.measure(one, results, file, DEFAULT_ROOTS)
    assert [(r["seed"], r["method"]) for r in results] == [
        (0, "kNN-11"),
        (0, "WANN"),
        (1, "kNN-11"),
        (1, "WANN"),
    ]
    again = make_results.kept(file)
    assert again == results
    monkeypatch.setattr(make_results, "run_all", lambda todo, roots: [1 / 0 for _ in todo])
    make_results.measure(one, again, file, DEFAULT_ROOTS)
    right = make_results.rights(results[0])
    assert right.shape == (597,) and 0.5 < right.mean() < 1


def test_every_condition_is_a_scenario_of_its_own() -> None:
    found = list(make_results.conditions())
    assert len({(c.source, c.rows, c.labels) for c in found}) == len(found)
    assert len({(c.scenario, c.rows) for c in found}) == len(found)
    worse = next(c for c in found if c.labels == "worse")
    assert worse.scenario.dataset == "cifar10-n/worse_label"

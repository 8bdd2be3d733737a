"""Comparisons along one axis, and what they sum up to."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from wann_core import Scenario, WannError, grid, run_all
from wann_core.experiments.grid import on_common_seeds, paired_gain, summary
from wann_core.experiments.records import report_record

BASE = Scenario(noise_pattern="sym", draw="exact")


def test_grid_holds_every_case_once() -> None:
    cases = grid(BASE, "noise_ratio", [0.0, 0.3], ["kNN-5", "WANN"], [1, 2, 3])
    assert len(cases) == len(set(cases)) == 12
    assert {case.method_name for case in cases} == {"kNN-5", "WANN"}
    assert {case.noise_ratio for case in cases} == {0.0, 0.3}


def test_grid_refuses_an_axis_it_does_not_know() -> None:
    with pytest.raises(WannError, match="axis"):
        grid(BASE, "backbone", [1.0], ["WANN"], [1])


def test_progress_goes_up_to_the_end_and_may_stop_the_runs() -> None:
    seen: list[tuple[float, float]] = []
    cases = grid(BASE, "num_subsamples", [100, 200], ["ANN", "WANN"], [1])
    assert len(list(run_all(cases, progress=lambda d, t, _: seen.append((d, t))))) == 4
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1]

    def stop(done: float, total: float, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_all(cases, progress=stop))


def test_summary_and_gain_agree_with_numpy_and_scipy() -> None:
    reports = run_all(grid(BASE, "noise_ratio", [0.2, 0.6], ["kNN-11", "WANN"], [1, 2, 3, 4]))
    records = pd.DataFrame([report_record(report) for report in reports])
    table = summary(records, "noise_ratio", "accuracy")
    assert list(table["method_name"]) == ["kNN-11"] * 2 + ["WANN"] * 2
    by_case = records.set_index(["method_name", "noise_ratio"])["accuracy"]
    for row in table.itertuples():
        values = by_case.loc[(row.method_name, row.noise_ratio)].to_numpy()
        assert row.mean == pytest.approx(values.mean())
        assert row.std == pytest.approx(values.std(ddof=1))
        assert row.seeds == 4
    gain = paired_gain(records, "noise_ratio", "accuracy")
    assert list(gain["method_name"]) == ["WANN", "WANN"]
    for row in gain.itertuples():
        ours = by_case.loc[("WANN", row.noise_ratio)].to_numpy()
        theirs = by_case.loc[("kNN-11", row.noise_ratio)].to_numpy()
        interval = ttest_rel(ours, theirs).confidence_interval(0.95)
        assert row.gain == pytest.approx(np.mean(ours - theirs))
        assert (row.low, row.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("ended", "seeds", "points"),
    [
        # Value by value: the last one was stopped at, and is left out.
        ({(0.0, "a"): 3, (0.0, "b"): 3, (0.2, "a"): 3, (0.2, "b"): 3, (0.4, "a"): 1}, 3, 2),
        # Seed by seed: all points have the first seed, few the second.
        ({(0.0, "a"): 2, (0.0, "b"): 2, (0.2, "a"): 1, (0.2, "b"): 1, (0.4, "a"): 1}, 1, 3),
        # At a point: a method that has fewer seeds bounds the others.
        ({(0.0, "a"): 5, (0.0, "b"): 2}, 2, 1),
        ({(0.0, "a"): 3}, 3, 1),
    ],
)
def test_means_are_over_the_seeds_that_all_have(
    ended: dict[tuple[float, str], int], seeds: int, points: int
) -> None:
    rows = [
        {"noise_ratio": ratio, "method_name": name, "seed": seed, "accuracy": 0.5}
        for (ratio, name), count in ended.items()
        for seed in range(count)
    ]
    kept = on_common_seeds(pd.DataFrame(rows), ["noise_ratio"])
    cells = kept.groupby(["noise_ratio", "method_name"])["seed"].agg(set)
    assert set(map(frozenset, cells)) == {frozenset(range(seeds))}
    assert kept["noise_ratio"].nunique() == points


def test_single_seed_has_a_gain_without_interval() -> None:
    reports = run_all(grid(BASE, "noise_ratio", [0.2], ["kNN-11", "ANN"], [1]))
    gain = paired_gain(pd.DataFrame(map(report_record, reports)), "noise_ratio", "accuracy")
    assert len(gain) == 1
    assert math.isnan(gain["low"].iloc[0])

"""Which result is best, and which are level with it: by common seeds and a paired test."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.helpers.result_records import grid, record
from wann_core import Scenario, WannError
from wann_core.results.paired_tests import is_level, paired_test
from wann_core.results.table import describe, pair, pivots
from wann_core.results.text import to_latex, to_markdown, to_text


def test_best_is_bold_and_level_is_what_the_paired_test_says() -> None:
    (table,) = pivots(describe(grid()).table, "method", "noise", "accuracy")
    frame = pd.DataFrame(grid())
    for column, cells in table.cells.groupby("noise"):
        assert cells["best"].sum() == 1
        best = cells.loc[cells["mean"].idxmax()]
        assert best["best"]
        if column == "none":
            assert not cells["level"].any()  # one seed is no test
            continue
        ratio = float(str(column).split()[1])
        by_seed = {
            m: rows.sort_values("seed")["accuracy"].to_numpy()
            for m, rows in frame[frame["noise_ratio"] == ratio].groupby("method_name")
        }
        for cell in cells[~cells["best"]].itertuples():
            p = stats.ttest_rel(by_seed[best["method"]], by_seed[cell.method]).pvalue
            assert cell.level == (p >= 0.05)
    # The same cells whichever way the table lies.
    (other,) = pivots(describe(grid()).table, "noise", "method", "accuracy")
    columns = ["method", "noise", "mean", "std", "seeds", "best", "level"]
    pd.testing.assert_frame_equal(
        other.cells[columns].sort_values(["method", "noise"], ignore_index=True),
        table.cells[columns].sort_values(["method", "noise"], ignore_index=True),
    )


def unequal() -> pd.DataFrame:
    """WANN under four seeds of noise, kNN-11 under two of them, kNN-51 under another one."""
    rng = np.random.default_rng(1)
    seeds = {"WANN": (1, 2, 3, 4), "kNN-11": (2, 3), "kNN-51": (4,)}
    base = Scenario(noise_pattern="sym", noise_ratio=0.2)
    return describe(
        record(dataclasses.replace(base, seed=seed).with_method(method), rng.random())
        for method, some in seeds.items()
        for seed in some
    ).table


@pytest.mark.parametrize("common", [True, False])
def test_only_common_seeds_are_compared(common: bool) -> None:
    runs = unequal()
    some = runs[runs["method"] != "kNN-51"]
    scores = some.pivot(index="seed", columns="method", values="accuracy")
    (table,) = pivots(some, "method", "noise", "accuracy", common=common)
    shared = scores.loc[["2", "3"]]
    shown = shared if common else scores
    for cell in table.cells.itertuples():
        values = shown[str(cell.method)].dropna()
        assert cell.mean == pytest.approx(values.mean())
        assert cell.std == pytest.approx(values.std())
        assert cell.seeds == len(values)
        assert cell.common_seeds == 2
        assert cell.all_seeds == len(scores[str(cell.method)].dropna())
        assert cell.best == (cell.method == shared.mean().idxmax())
        assert not cell.level  # two seeds are no test
    # Without any common seed nothing is best, and each cell shows its own.
    (table,) = pivots(runs, "method", "noise", "accuracy", common=common)
    assert not table.cells[["best", "level"]].any(axis=None)
    assert list(table.cells["seeds"]) == [4, 2, 1]
    assert list(table.cells["common_seeds"]) == [0, 0, 0]


def test_one_seed_does_not_beat_the_mean_of_three() -> None:
    base = Scenario(noise_pattern="sym", noise_ratio=0.4)
    scores = {"WANN": (0.9414, 0.93, 0.92), "ce": (0.9363,)}
    runs = describe(
        record(dataclasses.replace(base, seed=seed, method=method), score)
        for method, some in scores.items()
        for seed, score in enumerate(some)
    ).table
    for common in (True, False):
        made = pivots(runs, "method", "noise", "accuracy", common=common)
        best = made[0].cells.set_index("method")["best"]
        assert dict(best) == {"WANN": True, "ce": False}
        shown = "94.14" if common else r"93.05 \pm 1.07"
        assert rf"$\mathbf{{{shown}}}$ {{\scriptsize ($n={1 if common else 3}$)}}" in to_latex(
            made, "A"
        )
        assert "**93.63**" not in to_markdown(made, "A")
        assert "93.63 (n=1)" in to_text(made, "A")


def test_what_draws_nothing_is_compared_under_every_seed() -> None:
    base = Scenario(method="ce")
    runs = describe(
        [
            record(Scenario(), 0.9),
            *(record(dataclasses.replace(base, seed=s), a) for s, a in enumerate((0.8, 0.95, 0.9))),
        ]
    ).table
    (table,) = pivots(runs, "method", "noise", "accuracy")
    cells = table.cells.set_index("method")
    assert dict(cells["seeds"]) == {"WANN": 1, "ce": 3}
    assert dict(cells["best"]) == {"WANN": True, "ce": False}
    assert not cells["level"].any()
    assert math.isnan(cells.at["WANN", "std"])


def test_where_no_rivals_are_shown_nothing_is_best() -> None:
    (table,) = pivots(
        describe([r for r in grid() if r["method_name"] == "WANN"]).table,
        "noise",
        "dataset",
        "accuracy",
    )
    assert not table.cells[["best", "level"]].any(axis=None)
    with pytest.raises(WannError, match="two fields"):
        pivots(describe(grid()).table, "noise", "noise", "accuracy")


def test_pairs_agree_in_seed_and_every_other_field() -> None:
    table = describe([*grid(), *grid(backbone="other")]).table
    pairs = pair(table, "method", "kNN-11", "WANN", "accuracy")
    assert len(pairs) == 2 * (1 + 2 * 4)
    frame = table.set_index(["method", "backbone", "noise", "seed"])["accuracy"]
    for one in pairs.itertuples():
        key = (one.backbone, one.noise, one.seed)
        assert one.first == frame[("kNN-11", *key)]
        assert one.second == frame[("WANN", *key)]
    assert pair(table, "noise", "sym 0.2", "asym 0.2", "accuracy").empty


def test_differences_equal_but_for_their_last_bits_are_no_spread() -> None:
    gains = np.array([0.9, 0.91, 0.92]) - np.array([0.8, 0.81, 0.82])
    assert np.ptp(gains) > 0
    found = paired_test(gains)
    assert math.isnan(found.p_t)
    assert math.isnan(found.low)
    # What every seed loses is not level, whether or not its last bits differ.
    assert not is_level(gains)
    assert not is_level(np.array([0.25, 0.25, 0.25]))
    assert is_level(np.zeros(3))
    assert not is_level(np.zeros(2))  # too few to say
    assert is_level(np.array([0.01, np.nan, -0.01, 0.0]))


def test_paired_test_agrees_with_scipy_and_is_silent_where_it_knows_nothing() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random(7), rng.random(7)
    test = paired_test(second - first)
    theirs = stats.ttest_rel(second, first)
    interval = theirs.confidence_interval(0.95)
    assert test.n == 7
    assert test.p_t == pytest.approx(theirs.pvalue)
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high))
    assert test.p_wilcoxon == pytest.approx(stats.wilcoxon(second, first).pvalue)
    for silent in ([], [0.1], [0.1, 0.1, 0.1]):
        found = paired_test(silent)
        assert math.isnan(found.p_t)
        assert math.isnan(found.low)
    assert paired_test([0.0, 0.0]).difference == 0

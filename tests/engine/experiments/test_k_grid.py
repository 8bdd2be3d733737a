"""Many bounds at once give exactly what each gives alone."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.experiments.test_leave_one_out import write
from wann_core import Scenario, classify, prepare
from wann_core.errors import WannError
from wann_core.experiments.k_grid import METHODS, BoundedVotes, KGrid, k_grid
from wann_core.methods.metrics import paired_gain_interval, wilson_interval
from wann_core.methods.voting import adaptive_k, vote


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), m=st.integers(0, 12), data=st.data())
def test_all_bounds_equal_adaptive_k_and_vote(
    seed: int, n: int, m: int, data: st.DataObject
) -> None:
    """Few classes, so that majorities and weighted sums tie often; bounds odd and even."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, rng.randint(1, 6), n)
    train_ids = np.array([rng.permutation(np.delete(np.arange(n), i)) for i in range(n)])
    test_ids = np.array([rng.permutation(n) for _ in range(m)], int).reshape(m, n)
    k_most = data.draw(st.integers(1, n - 1))
    votes = BoundedVotes(train_ids, labels, test_ids, k_most)
    for k in range(1, k_most + 1):
        assert votes.knn(k).tolist() == vote(test_ids, labels, k).tolist()
    for k_min in range(1, k_most + 1):
        k_maxs = np.arange(k_min, k_most + 1)
        together = votes.wann(k_min, k_maxs)
        for k_max, wann in zip(k_maxs.tolist(), together, strict=True):
            own = adaptive_k(train_ids, labels, k_min, k_max)
            voters = own[test_ids[:, 0]]
            assert votes.ann(k_min, k_max).tolist() == vote(test_ids, labels, voters).tolist()
            assert wann.tolist() == vote(test_ids, labels, voters, 1.0 / own).tolist()


def expected(grid: KGrid, scenario: Scenario, **roots: Path) -> None:
    """Compare every row with a run of its own."""
    now = {m: classify(prepare(scenario, **roots), scenario.with_method(m)).right for m in METHODS}
    for row in grid.bounds.to_dict("records"):
        asked = dataclasses.replace(scenario, k_min=row["k_min"], k_max=row["k_max"])
        asked = asked.with_method(row["method_name"])
        report = classify(prepare(asked, **roots), asked)
        assert row["accuracy"] == report.metrics.accuracy
        assert (row["accuracy_low"], row["accuracy_high"]) == report.metrics.accuracy_interval
        gain = paired_gain_interval(report.right, now[row["method_name"]])
        assert (row["gain"], row["gain_half"]) == gain
    for row in grid.knn.to_dict("records"):
        report = classify(prepare(scenario, **roots), scenario.with_method(f"kNN-{row['k']}"))
        assert row["accuracy"] == report.metrics.accuracy


def test_grid_equals_separate_runs_on_test_rows() -> None:
    scenario = Scenario(noise_pattern="asym", noise_ratio=0.4, draw="exact", k_min=5, k_max=31)
    grid = k_grid(prepare(scenario), (1, 5, 11, 40), (1, 11, 12, 31, 51))
    pairs = [p for p in itertools.product((1, 5, 11, 40), (1, 11, 12, 31, 51)) if p[0] <= p[1]]
    for method in METHODS:
        rows = grid.bounds[grid.bounds["method_name"] == method]
        assert list(zip(rows["k_min"], rows["k_max"], strict=True)) == pairs
    assert list(grid.knn["k"]) == list(range(1, 52))
    assert grid.present == (5, 31)
    own = grid.bounds.query("k_min == 5 and k_max == 31")
    assert (own[["gain", "gain_half"]] == 0).all(axis=None)
    expected(grid, scenario)


def test_grid_equals_separate_runs_where_each_row_is_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    scenario = Scenario("lone", "tiny", noise_pattern="sym", noise_ratio=0.3, draw="exact")
    grid = k_grid(prepare(scenario, database_root=tmp_path), range(1, 52, 10), range(1, 52, 10))
    expected(grid, scenario, database_root=tmp_path)


def test_few_rows_cut_the_bounds_as_everywhere(tmp_path: Path) -> None:
    write(tmp_path, n=13)
    scenario = Scenario("lone", "tiny")
    grid = k_grid(prepare(scenario, database_root=tmp_path), range(1, 52, 2), range(1, 52, 2))
    assert len(grid.bounds) == 2 * 351
    assert list(grid.knn["k"]) == list(range(1, 13))
    assert grid.present == (11, 51)
    expected(grid, scenario, database_root=tmp_path)


def test_best_may_tie() -> None:
    grid = k_grid(prepare(Scenario()), range(1, 52, 2), range(1, 52, 2))
    for method in METHODS:
        best = grid.best(method)
        rows = grid.bounds[grid.bounds["method_name"] == method]
        assert (best["accuracy"] == rows["accuracy"].max()).all()
        assert len(best) == (rows["accuracy"] == rows["accuracy"].max()).sum()


def test_bounds_chosen_apart_never_see_the_rows_that_judge_them() -> None:
    scenario = Scenario(noise_pattern="sym", noise_ratio=0.6, draw="exact")
    prepared = prepare(scenario)
    values = (1, 5, 11, 21, 31, 51)
    grid = k_grid(prepared, values, values)
    half = np.random.default_rng(0).permutation(len(prepared.y_test)) % 2 == 0
    for method in METHODS:
        rights = []
        for low, high in ((a, b) for a in values for b in values if a <= b):
            asked = dataclasses.replace(scenario, k_min=low, k_max=high).with_method(method)
            rights.append(classify(prepare(asked), asked).right)
        right = np.empty(len(half), bool)
        for judged in (half, ~half):
            best = np.argmax([r[~judged].sum() for r in rights])
            right[judged] = rights[best][judged]
        now = classify(prepared, scenario.with_method(method)).right
        assert grid.chosen_apart[method] == paired_gain_interval(right, now)


def test_progress_may_stop_it() -> None:
    seen = []

    def progress(done: float, total: float, text: str) -> None:
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        k_grid(prepare(Scenario()), (1, 3, 5, 7), (7,), progress=progress)
    assert seen == [(0, 4), (1, 4), (2, 4)]


@pytest.mark.parametrize(
    ("k_mins", "k_maxs", "sentence"),
    [
        ((5,), (3,), "must hold a value that is not above"),
        ((), (3,), "must hold a value that is not above"),
        ((1,), (), "must hold a value that is not above"),
        ((0,), (3,), "`k_min` must be a whole number between 1 and 3, got 0"),
        ((1,), (53,), "`k_most` must be a whole number between 1 and 51, got 53"),
    ],
)
def test_bounds_that_cannot_be_are_refused(
    k_mins: tuple[int, ...], k_maxs: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(WannError, match=sentence):
        k_grid(prepare(Scenario()), k_mins, k_maxs)


def test_intervals_are_wilsons() -> None:
    prepared = prepare(Scenario())
    row = k_grid(prepared, (11,), (51,)).knn.iloc[0]
    correct = round(row["accuracy"] * len(prepared.y_test))
    interval = wilson_interval(correct, len(prepared.y_test))
    assert (row["accuracy_low"], row["accuracy_high"]) == interval

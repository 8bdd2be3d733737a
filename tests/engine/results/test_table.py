"""Tables of results: nothing but seeds is averaged, and what differs divides them."""

import dataclasses
import itertools
import math
from typing import Any

import pandas as pd
import pytest

from tests.helpers.result_records import METHODS, grid, record
from wann_core import Scenario
from wann_core.methods.probes import ProbeSettings
from wann_core.results.table import describe, divide, pivots


def test_means_over_seeds_are_those_of_numpy() -> None:
    records = grid()
    runs = describe(records)
    # Where nothing is drawn the four seeds are one run.
    assert runs.replaced == 3 * 3
    (table,) = pivots(runs.table, "method", "noise", "accuracy")
    assert table.part == {}
    assert table.row_names == list(METHODS)
    assert table.column_names == ["none", "sym 0.2", "sym 0.4"]
    frame = pd.DataFrame(records)
    for method, ratio in itertools.product(METHODS, (0.2, 0.4)):
        mask = (frame["method_name"] == method) & (frame["noise_ratio"] == ratio)
        values = frame.loc[mask, "accuracy"].to_numpy()
        cell = table.cell(method, f"sym {ratio:g}")
        assert cell is not None
        assert cell["mean"] == pytest.approx(values.mean())
        assert cell["std"] == pytest.approx(values.std(ddof=1))
        assert cell["seeds"] == 4
    clean = table.cell("WANN", "none")
    assert clean is not None
    assert clean["seeds"] == 1
    assert math.isnan(clean["std"])
    assert table.cell("WANN", "asym 0.2") is None


@pytest.mark.parametrize("pattern", ["sym", "asym", "similar", "instance"])
def test_no_noise_and_a_ratio_of_0_are_one_column(pattern: str) -> None:
    base = Scenario(noise_pattern=pattern, draw="exact")
    runs = describe([record(base, 0.9), record(Scenario(method="ANN"), 0.8)])
    (table,) = pivots(runs.table, "method", "noise", "accuracy")
    assert table.column_names == ["none"]
    assert base.canonical() == Scenario()
    # Published instance noise flips by coins, at a ratio of 0 too.
    reference = Scenario(noise_pattern="instance")
    assert reference.canonical() == reference


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "other"},
        {"dataset": "other"},
        {"draw": "exact"},
        {"reduction": "PCA"},
        {"imbalance_ratio": 0.1},
        {"num_subsamples": 100},
        {"normalization": "l2"},
        {"search": "flat"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_differs_and_is_not_shown_divides_the_table(change: dict[str, Any]) -> None:
    mixed = describe([*grid(), *grid(**change)]).table
    made = pivots(mixed, "method", "noise", "accuracy")
    assert len(made) == 2
    (field,) = made[0].part
    assert len({one.part[field] for one in made}) == 2
    for one in made:
        for cell in one.cells.to_dict("records"):
            runs = mixed[(mixed["method"] == cell["method"]) & (mixed["noise"] == cell["noise"])]
            alone = runs[runs[field].isin([one.part[field], ""])]
            assert cell["seeds"] == len(alone) <= 4
            assert cell["mean"] == pytest.approx(alone["accuracy"].mean())
    # Shown, it divides no more.
    (shown,) = pivots(mixed[mixed["noise"] == "sym 0.2"], "method", field, "accuracy")
    assert shown.part == {}


def test_clean_runs_stand_beside_either_draw() -> None:
    both = describe([*grid(), *grid(draw="exact")]).table
    parts = divide(both, ("method", "noise"))
    assert [part["draw"] for part, _ in parts] == ["reference", "exact"]
    assert all("none" in set(runs["noise"]) for _, runs in parts)


def test_settings_of_a_method_are_part_of_its_name() -> None:
    base = Scenario()
    probe = ProbeSettings(learning_rate=0.003, loss_parameters={"q": 0.5})
    cases = {
        "WANN": base,
        "WANN (k 5–31)": dataclasses.replace(base, k_min=5, k_max=31),
        "kNN-21": dataclasses.replace(base, method="kNN", k=21, k_max=31),
        "gce (learning rate 0.003, q = 0.5)": dataclasses.replace(base, method="gce", probe=probe),
        "logreg_clean (k 11–31)": dataclasses.replace(base, method="logreg_clean", k_max=31),
        "logreg": dataclasses.replace(base, method="logreg", k_max=31),
    }
    table = describe([record(scenario, 0.5) for scenario in cases.values()]).table
    assert list(table["method"]) == list(cases)


def test_a_newer_run_of_the_same_settings_replaces_the_older() -> None:
    scenario = Scenario(noise_pattern="sym", noise_ratio=0.2)
    runs = describe([record(scenario, 0.5), record(scenario, 0.9), {"accuracy": 1}])
    assert list(runs.table["accuracy"]) == [0.9]
    assert (runs.replaced, runs.unreadable) == (1, 1)
    assert describe([]).table.empty

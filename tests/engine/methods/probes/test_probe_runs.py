"""Trained methods in scenarios, in sweeps and in the store of results."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.probing import FAST, NOISY
from wann_core import Scenario, WannError, run_all
from wann_core.datasets import load
from wann_core.experiments.probe_runs import batches, fitted_last, run_trained
from wann_core.experiments.records import report_record, scenario_record
from wann_core.experiments.store import ResultsStore
from wann_core.methods.registry import TRAINED
from wann_core.paths import DEFAULT_ROOTS


def test_scenarios_name_trained_methods() -> None:
    for name in TRAINED:
        assert Scenario().with_method(name).method_name == name
    probe = dataclasses.replace(NOISY, method="ce", probe=FAST, seed=9)
    votes = dataclasses.replace(NOISY, probe=FAST, seed=9)
    assert scenario_record(probe)["learning_rate"] == 0.01
    assert "learning_rate" not in scenario_record(votes)
    assert votes.canonical() == dataclasses.replace(NOISY, seed=9).canonical()
    clean = Scenario(seed=9, method="gce", k_min=5, k_max=7).canonical()
    assert (clean.seed, clean.k_min, clean.k_max) == (9, 11, 51)
    assert Scenario(seed=9, method="logreg").canonical().seed == 42
    assert Scenario(method="logreg_clean", k_min=5).canonical().k_min == 5


def test_keys_of_voting_methods_are_as_before() -> None:
    assert list(scenario_record(Scenario())) == [
        "dataset",
        "backbone",
        "seed",
        "imbalance_ratio",
        "num_subsamples",
        "noise_pattern",
        "noise_ratio",
        "draw",
        "transition_matrix",
        "normalization",
        "reduction",
        "reduction_size",
        "method",
        "k",
        "k_min",
        "k_max",
        "search",
    ]


def test_probes_of_one_source_train_in_batches() -> None:
    cases = [
        dataclasses.replace(NOISY, seed=seed, method=method, probe=probe)
        for seed in range(5)
        for method in ("ce", "logreg", "gce")
        for probe in (FAST,)
    ]
    slow = dataclasses.replace(NOISY, method="ce")
    made = batches([*cases, slow])
    assert sorted(i for batch in made for i in batch) == list(range(16))
    assert [len(batch) for batch in made if len(batch) > 1] == [8, 2]
    assert [15] in made


def test_a_sweep_mixes_votes_and_trained_methods() -> None:
    base = dataclasses.replace(NOISY, probe=FAST)
    methods = ("WANN", "ce", "logreg", "gce", "kNN-11")
    cases = [
        dataclasses.replace(base, seed=seed).with_method(m) for seed in (1, 2) for m in methods
    ]
    places = list[float]()
    reports = list(run_all(cases, progress=lambda done, total, text: places.append(done / total)))
    records = [report_record(report) for report in reports]
    assert [report.scenario for report in reports] == cases
    assert [record["method_name"] for record in records] == [*methods] * 2
    assert all(record["accuracy"] > 0.85 for record in records)
    assert places == sorted(places)
    assert places[-1] == 1
    ce = records[1]
    assert (ce["train_rows"], ce["test_rows"]) == (1200, 597)
    assert ce["realised_noise"] == pytest.approx(0.3, abs=1e-3)
    assert (ce["used_parameters"], ce["parameter_family"]) == ("{}", "cifar10")
    assert len(ce["recall"].split(",")) == 10
    (alone,) = run_trained(cases[1:2])
    np.testing.assert_array_equal(alone.predictions, reports[1].predictions)
    assert alone.right.mean() == pytest.approx(ce["accuracy"])


def test_results_store_tells_probe_settings_apart(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path / "results.sqlite")
    first = dataclasses.replace(NOISY, method="ce", probe=FAST)
    second = dataclasses.replace(first, probe=dataclasses.replace(FAST, patience=4))
    (report,) = run_trained([first])
    store.add([(first, report_record(report))], DEFAULT_ROOTS, "probes")
    assert set(store.find([first, second], DEFAULT_ROOTS)) == {first}
    assert store.find([first], DEFAULT_ROOTS)[first]["curve"] == report.details["curve"]


def test_results_store_answers_every_seed_that_is_the_same_run(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path / "results.sqlite")
    cases = [Scenario(seed=seed) for seed in (1, 2, 3)]
    scores = {"accuracy": 0.5, "balanced_accuracy": 0.5, "macro_f1": 0.5}
    store.add([(cases[0], scores)], DEFAULT_ROOTS, "compare")
    assert {
        case.seed: found["seed"] for case, found in store.find(cases, DEFAULT_ROOTS).items()
    } == {
        1: 1,
        2: 2,
        3: 3,
    }


def test_rows_that_a_loss_fits_last() -> None:
    (report,) = run_trained([dataclasses.replace(NOISY, method="ce", probe=FAST)], margins=True)
    table = fitted_last(report)
    assert list(table.columns) == ["row", "label", "clean_label", "margin", "held_out"]
    assert len(table) == 1200
    assert set(table["row"]) == set(load("digits", "pixels").train.ids)
    assert (table["label"] != table["clean_label"]).head(200).mean() > 0.8
    assert table["held_out"].sum() == 180


def test_voting_methods_are_not_trained() -> None:
    with pytest.raises(WannError, match="`method` must be one of ce, fl"):
        run_trained([Scenario()])

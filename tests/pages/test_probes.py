"""The Probes page without a browser: what it offers, trains once and finds again."""

import json
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers import apps
from tests.helpers.apps import labels, press, ready
from tests.helpers.roots import ROOT
from ui.jobs import jobs
from ui.jobs.plan import Plan
from ui.measure import probes
from ui.measure.probe_results import Outcome, _epochs, _text
from ui.shell import theme
from wann_core import Scenario
from wann_core.datasets import Split, database
from wann_core.experiments import grid
from wann_core.experiments.sweep import run_sweep
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.probes.fits import Epoch
from wann_core.methods.registry import LOGISTIC, TRAINED
from wann_core.paths import Roots

PAGE = ROOT / "pages" / "probes.py"
SMALL = {"rows": 200, "rate": 0.003, "epochs": 3}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No result and no job of another test."""
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    st.cache_resource.clear()


def opened(**state: object) -> AppTest:
    return apps.opened(PAGE, **state)


def texts(app: AppTest) -> str:
    return " ".join(box.value for box in (*app.info, *app.warning, *app.error))


def table(app: AppTest) -> pd.DataFrame:
    return next(frame.value for frame in app.dataframe if "accuracy, %" in frame.value)


def test_nothing_chosen_has_a_hint() -> None:
    app = opened(losses=[], logistic=[])
    assert "Choose at least one loss" in texts(app)
    assert not labels(app)


def test_every_loss_is_spelled_out() -> None:
    app = opened(losses=list(LOSSES), **SMALL)
    spelled = next(frame.value for frame in app.dataframe if "parameters" in frame.value)
    assert list(spelled["loss"]) == list(LOSSES)
    assert spelled["name"].str.len().min() > 0
    assert "Press Train to fit 17 methods" in texts(app)


@pytest.mark.slow
def test_training_is_kept_for_another_server() -> None:
    app = press(opened(losses=["gce"], logistic=["logreg"], **SMALL), "Train")
    assert labels(app) == ["Train again"]
    shown = table(app)
    assert list(shown["method"]) == ["kNN-11", "kNN-51", "ANN", "WANN", "gce", "logreg"]
    assert list(shown["epochs"])[4:] == ["3", ""]
    assert any("lowest 5 % of all rows" in caption.value for caption in app.caption)

    st.cache_resource.clear()  # as a new server has no jobs
    again = opened(losses=["gce"], logistic=["logreg"], **SMALL)
    assert labels(again) == ["Train again"]
    pd.testing.assert_frame_equal(table(again), shown)
    assert any("From the results store: 2 of 2" in caption.value for caption in again.caption)
    assert "The results store does not keep these rows" in texts(again)

    more = opened(losses=["ce", "gce"], logistic=["logreg"], **SMALL)
    assert "2 of 3 methods were trained before" in texts(more)
    assert list(table(press(more, "Train remaining 1"))["method"])[4:] == ["ce", "gce", "logreg"]


@pytest.mark.slow
def test_only_logistic_regression() -> None:
    app = opened(losses=[], logistic=["logreg"], rows=200)
    assert all(box.disabled for box in app.main.number_input)
    assert "Press Train to fit 1 method to" in texts(app)
    app = press(app, "Train")
    assert list(table(app)["method"])[-1] == "logreg"
    assert not any("fits last" in heading.value for heading in app.header)


def test_few_steps_are_warned_of() -> None:
    published = opened(losses=["ce"], logistic=[], training="published")
    assert "about 9 steps" in texts(published)
    assert any("Learning rate 0.0001, at most 100" in text.value for text in published.caption)
    suited = opened(losses=["ce"], logistic=[])
    assert "steps here" not in texts(suited)
    assert any("Learning rate 0.0039, at most 250" in text.value for text in suited.caption)
    own = opened(losses=["ce"], logistic=[], training="own", rate=0.003)
    assert "steps here" not in texts(own) and own.number_input(key="epochs").value == 100
    assert "steps here" not in texts(opened(losses=[], logistic=["logreg"]))


def test_a_link_with_settings_of_its_own_keeps_them() -> None:
    app = AppTest.from_file(PAGE, default_timeout=120)
    app.query_params.update({"rate": "0.001", "patience": "9"})
    app = ready(app.run())
    assert app.session_state["training"] == "own"
    assert app.select_slider(key="rate").value == 0.001
    assert app.number_input(key="patience").value == 9


@pytest.mark.slow
def test_what_ended_where_it_began_is_marked() -> None:
    app = press(opened(losses=["ce", "fl"], logistic=[], training="published"), "Train")
    shown = table(app).set_index("method")["training"]
    assert shown["ce"] == "not converged"
    assert not shown["WANN"] and not shown["fl"]
    assert "Not converged: 1 runs of ce" in texts(app)


def test_data_without_test_rows(tmp_path: Path) -> None:
    y = np.arange(90) % 3
    X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32) + y[:, None]
    split = Split(X, y, np.arange(90), None)
    database.write(tmp_path / "db", "lone", "tiny", {"train": split}, ("a", "b", "c"), {})
    app = opened(databases=str(tmp_path / "db"), dataset="lone")
    assert "This data set has no test rows" in texts(app)
    assert not labels(app)


def test_one_training_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))  # no run is there already
    started = []

    def endless(scenarios: list[Scenario], roots: Roots, progress: Any, **options: Any) -> None:
        started.append([s.method for s in scenarios])
        while True:
            progress(0, 1, "training")
            time.sleep(0.01)

    monkeypatch.setattr("wann_core.experiments.probe_runs.run_trained", endless)
    plan = Plan(Scenario(), ("ce", "logreg"))
    roots = Roots(tmp_path / "db", tmp_path / "data")
    settings: Any = SimpleNamespace(roots=roots, fingerprint=())
    probes.start(plan, settings)
    job = probes.find(plan, settings)
    assert job is not None
    probes.start(plan, settings, fresh=True)
    assert probes.find(plan, settings) is job
    # The k of kNN is nothing that these methods know of.
    assert probes.find(Plan(Scenario().with_method("kNN-21"), plan.methods), settings) is job
    assert probes.find(Plan(Scenario(seed=7), plan.methods), settings) is None
    job.cancel()
    assert job.wait(60)
    assert job.state is jobs.State.CANCELED
    assert started in ([["ce"]], [])  # canceled before torch was there


def test_plan_is_one_scenario_a_method() -> None:
    base = Scenario(probe=ProbeSettings(learning_rate=0.01))
    methods = ("ce", *LOGISTIC)
    scenarios = Plan(base, methods).scenarios()
    assert tuple(s.method for s in scenarios) == methods
    assert {s.probe.learning_rate for s in scenarios} == {0.01}
    assert [len(part) for part in probes._portions(scenarios)] == [1, 1, 1, 1]


def test_epochs_come_live_and_from_the_store() -> None:
    assert _epochs(Outcome()).empty
    stored = {"gce": {"curve": json.dumps([[2.0, 0.5, 0.6], [1.0, 0.7, 0.8]])}}
    unwatched = {"elr": {"curve": json.dumps([[3.0, 0.4]])}, "logreg": {"C": 1.0}}
    live = [Epoch("ce", 42, 1, 2.3, 0.1, 0.2)]
    epochs = _epochs(Outcome({**stored, **unwatched}, live)).set_index(["loss", "epoch"])
    assert list(epochs.index) == [("ce", 1), ("gce", 1), ("gce", 2), ("elr", 1)]
    assert epochs.loc[("gce", 2)].to_dict() == {
        "train_loss": 1.0,
        "val_accuracy": 0.7,
        "test_accuracy": 0.8,
    }
    assert np.isnan(epochs.loc[("elr", 1), "test_accuracy"])
    # What has just been trained is not drawn twice.
    both = _epochs(Outcome(stored, [Epoch("gce", 42, 1, 9.0, 0.1, 0.2)]))
    assert list(both["train_loss"]) == [9.0]


def test_text_of_a_column_that_not_every_method_has() -> None:
    frame = pd.DataFrame({"C": [np.nan, 0.01, 10.0]})
    assert _text(frame, "C", "g") == ["", "0.01", "10"]
    assert _text(frame, "epochs", ".0f") == ["", "", ""]


def test_warning_counts_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(st, "warning", lambda text, **_: said.append(text))
    rows: Any = SimpleNamespace(labels=np.zeros(50_000))
    probes.warn_of_few_steps(Plan(Scenario(), ("ce",)), rows)
    assert not said  # the published protocol on CIFAR-10
    rows.labels = rows.labels[:1200]
    probes.warn_of_few_steps(Plan(Scenario(), ("logreg",)), rows)
    assert not said
    probes.warn_of_few_steps(Plan(Scenario(), ("ce", "logreg")), rows)
    assert "about 9 steps" in said[0]


def test_compare_trains_probes_as_the_probes_page_does() -> None:
    def told(**state: object) -> list[str]:
        app = AppTest.from_file(PAGE.with_name("compare.py"), default_timeout=120)
        for key, value in state.items():
            app.session_state[key] = value
        app.run()
        assert not app.exception
        return [c.value for c in app.caption if c.value.startswith("Learning rate")]

    assert told() == told(methods=["WANN", "logreg"]) == []
    (suited,) = told(methods=["WANN", "ce"])
    (published,) = told(methods=["WANN", "ce"], training="published")
    assert suited.startswith("Learning rate 0.0039, at most 250")
    assert published.startswith("Learning rate 0.0001, at most 100")


def test_compare_shows_stored_runs_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    st.cache_resource.clear()

    def opened_compare() -> AppTest:
        app = AppTest.from_file(PAGE.with_name("compare.py"), default_timeout=120)
        app.session_state["methods"], app.session_state["ratios"] = ["kNN-11", "WANN"], (0.3, 0.5)
        return ready(app.run())

    base = Scenario(noise_pattern="sym", draw="exact")
    runs = grid.grid(base, "noise_ratio", [0.3, 0.4, 0.5], ["kNN-11", "WANN"], [42, 43, 44])
    assert "Run" in labels(opened_compare())
    list(run_sweep(runs[:13]))
    app = opened_compare()
    assert "Run remaining 5" in labels(app)
    said = " ".join(caption.value for caption in app.caption)
    assert "over the same 2 seeds (runs left out, since others have no such seed yet: 1)" in said
    list(run_sweep(runs))
    app = opened_compare()
    assert not any(label.startswith("Run") for label in labels(app))
    said = " ".join(caption.value for caption in app.caption)
    assert "over the same 3 seeds;" in said and "18 of 18 runs came from the results store" in said


def test_compare_waits_for_the_second_of_two_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_only(todo: list[Scenario], *roots: Any, **options: Any) -> Any:
        yield next(run_sweep(todo, *roots, **options))

    monkeypatch.setattr("ui.jobs.runs.run_sweep", first_only)
    app = AppTest.from_file(PAGE.with_name("compare.py"), default_timeout=120)
    app.session_state["methods"] = ["kNN-11", "WANN"]
    app = press(ready(app.run()), "Run")
    assert any("No two runs" in caption.value for caption in app.caption)


def test_compare_offers_noise_where_there_is_none() -> None:
    app = AppTest.from_file(PAGE.with_name("compare.py"), default_timeout=120)
    app.session_state["noise"] = "none"
    app = press(ready(app.run()), "Add symmetric noise")
    assert app.session_state["noise"] == "sym"
    assert any(label.startswith("Run") for label in labels(app))


def test_losses_differ_by_more_than_their_color() -> None:
    looks = [(theme.color(name), theme.symbol(name), theme.dash(name)) for name in TRAINED]
    assert len(set(looks)) == len(looks)
    for one, next_one in pairwise(looks):
        assert one[1] != next_one[1] and one[2] != next_one[2]
    # Greens and browns of the losses that the page shows at first.
    assert len({theme.dash(name) for name in ("gce", "anl_ce", "elr")}) == 3

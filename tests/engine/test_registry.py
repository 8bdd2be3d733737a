import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.dummy import DummyClassifier

import wann_core as wann
from tests.conftest import CommandResult
from tests.helpers.plug_in import example_registered, forget_registered
from wann_core.experiments.plan_file import parse
from wann_core.experiments.prepare import prepare
from wann_core.experiments.records import predictions, report_record, scenario_of, scenario_record
from wann_core.experiments.store import ResultsStore
from wann_core.experiments.sweep import run_sweep
from wann_core.methods.probes import evaluate_loss
from wann_core.methods.registry import CLASSIFIERS, LOGISTIC, METHODS, TRAINED, color_slot
from wann_core.noise.registry import PATTERNS
from wann_core.paths import DEFAULT_ROOTS
from wann_core.results.table import describe, method_order

Array = npt.NDArray[Any]
QUICK = wann.ProbeSettings(learning_rate=0.01, num_epochs=3)


@pytest.fixture
def example() -> Iterator[None]:
    with example_registered():
        yield


@pytest.fixture
def clean() -> Iterator[None]:
    yield
    forget_registered()


def noisy(**changes: Any) -> wann.Scenario:
    with_pattern = {"noise_pattern": "pair", "noise_ratio": 0.3, "num_subsamples": 400}
    return wann.Scenario(**{**with_pattern, "probe": QUICK, **changes})


def test_built_in_names_stay_as_published() -> None:
    assert METHODS == ("WANN", "ANN", "kNN")
    assert LOGISTIC == ("logreg", "logreg_reliability", "logreg_clean")
    assert PATTERNS == ("sym", "asym", "instance", "similar", "matrix")
    assert CLASSIFIERS == ("logreg_posterior", "co_teaching")
    assert len(wann.LOSSES) == 15 and (*wann.LOSSES, *LOGISTIC, *CLASSIFIERS) == TRAINED


def test_own_plug_ins_count_as_built_in() -> None:
    scenario = wann.Scenario(method="co_teaching")
    assert scenario.plugins == {} and "co_teaching" in wann.TRAINED
    with pytest.raises(wann.WannError, match="'co_teaching' is a method already, built in"):
        wann.register_method("co_teaching", lambda seed: DummyClassifier())


def test_what_is_registered_runs(example: None) -> None:
    assert "extra-trees" in CLASSIFIERS and "pair" in PATTERNS and "brier" in wann.LOSSES
    trees = wann.run(noisy(method="extra-trees"))
    assert 0.2 < trees.prepared.noise_ratio < 0.4
    assert trees.metrics.accuracy > 0.6
    assert np.isfinite(trees.confidence).all()
    # Each label is the given one or the next class.
    shift = (trees.prepared.labels - trees.prepared.clean_labels) % 10
    assert set(np.unique(shift)) == {0, 1}
    probe = wann.run(noisy(method="brier"))
    assert probe.metrics.accuracy > 0.5
    assert predictions(probe)["index"].tolist() == predictions(trees)["index"].tolist()


def test_equal_seeds_answer_alike_and_others_do_not(example: None) -> None:
    first, again, other = (wann.run(noisy(method="extra-trees", seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.predictions, again.predictions)
    assert (first.predictions != other.predictions).any()


def test_names_with_dashes_are_methods_of_plans(example: None) -> None:
    plan = parse(
        """
        method = ["extra-trees", "kNN-11", "brier"]
        [[grid]]
        noise_pattern = "pair"
        noise_ratio = [0.2, 0.4]
        num_subsamples = 300
        num_epochs = 2
        """
    )
    cases = plan.scenarios()
    assert {case.method_name for case in cases} == {"extra-trees", "kNN-11", "brier"}
    outcomes = list(run_sweep(cases))
    assert len(outcomes) == 6 and all(outcome.record for outcome in outcomes)
    record = next(o.record for o in outcomes if o.scenario.method == "extra-trees")
    assert set(json.loads(record["plugins"])) == {"extra-trees", "pair"}
    assert scenario_of(record) == next(o.scenario for o in outcomes if o.record is record)
    shown = describe([o.record for o in outcomes]).table
    assert set(shown["method"]) >= {"extra-trees", "kNN-11"}
    assert method_order(["extra-trees", "logreg", "brier", "kNN-11"]) == [
        "kNN-11",
        "brier",
        "logreg",
        "extra-trees",
    ]


def test_other_processes_know_what_a_session_registered(example: None) -> None:
    cases = [noisy(method=m, seed=s) for m in ("extra-trees", "brier") for s in (1, 2)]
    outcomes = list(run_sweep(cases, backend="processes", n_jobs=2))
    assert [str(o.refused) for o in outcomes if o.refused] == []
    here = {s: report_record(wann.run(s))["accuracy"] for s in cases}
    assert {o.scenario: o.record["accuracy"] for o in outcomes} == here


def test_what_cannot_be_sent_is_named(clean: None) -> None:
    lock = threading.Lock()
    wann.register_method("locked", lambda seed: (lock, DummyClassifier())[1])
    cases = [wann.Scenario(method="locked", seed=s) for s in (1, 2)]
    with pytest.raises(wann.WannError, match=r"\(locked\) cannot be sent .* WANN_PLUGINS"):
        list(run_sweep(cases, backend="processes", n_jobs=2))


def test_the_command_line_runs_a_registered_classifier(
    example: None, command: Callable[..., CommandResult], tmp_path: Path
) -> None:
    done = command(
        *("knn", "--dataset", "digits", "--backbone", "pixels", "--experiment_name", "t"),
        *("--method", "extra-trees", "--noise_pattern", "pair", "--noise_ratio", "0.2"),
        *("--num_subsamples", "40", "--output_root", str(tmp_path)),
        *("--predictions_csv", str(tmp_path / "p.csv"), "--train_csv", str(tmp_path / "t.csv")),
    )
    assert done.status == 0, done.err
    assert done.out.startswith("[extra-trees] Accuracy = ")
    (log,) = tmp_path.glob("t/*.json")
    assert log.name == "digits_40samples_extra-trees_pair-0.2_s42_backbone-pixels.json"
    assert json.loads(log.read_text())["k"] is None
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 598


def test_a_registered_loss_trains_as_the_same_built_in_one(clean: None) -> None:
    import torch

    def again(logits: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")

    wann.register_loss("ce_again", again)
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(7, 4)), np.arange(7) % 4
    value, gradient = evaluate_loss("ce_again", logits, labels, family="cifar10")
    expected, slopes = evaluate_loss("ce", logits, labels, family="cifar10")
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, slopes, atol=1e-15)
    base = wann.Scenario(num_subsamples=400, noise_pattern="sym", noise_ratio=0.2, probe=QUICK)
    ours, theirs = (wann.run(base.with_method(name)) for name in ("ce_again", "ce"))
    np.testing.assert_array_equal(ours.predictions, theirs.predictions)


def test_parameters_of_a_registered_loss_are_replaced(example: None) -> None:
    probe = wann.ProbeSettings(num_epochs=1, loss_parameters={"weight": 3.0})
    record = report_record(wann.run(noisy(method="brier", probe=probe)))
    assert json.loads(record["used_parameters"]) == {"weight": 3.0}
    z, y = [[0.0, 1.0]], [1]
    once = evaluate_loss("brier", z, y, family="mnist")[0]
    assert evaluate_loss("brier", z, y, family="mnist", parameters={"weight": 3})[0] == 3 * once
    with pytest.raises(wann.WannError, match="has the parameters weight, not 'q'"):
        evaluate_loss("brier", z, y, family="mnist", parameters={"q": 1})


class Wrong:
    """A classifier that answers whatever it is told to."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.answer = answer

    def fit(self, X: Array, y: Array) -> None:
        pass

    def predict(self, X: Array) -> Any:
        return self.answer(len(X))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda n: np.zeros(n - 1, int), "must return 597 labels, one a row"),
        (lambda n: np.full(n, 10), "must return class ids from 0 to 9, got 10"),
        (lambda n: np.full(n, 0.5), "must return class ids, whole numbers, got float64"),
        (lambda n: 1 / 0, "failed with ZeroDivisionError"),
    ],
)
def test_a_wrong_classifier_is_named(clean: None, answer: Any, expected: str) -> None:
    wann.register_method("wrong", lambda seed: Wrong(answer))
    with pytest.raises(wann.WannError) as refusal:
        wann.run(wann.Scenario(method="wrong"))
    assert str(refusal.value).startswith("the method 'wrong' of this session ")
    assert expected in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("flip", "expected"),
    [
        (lambda y, *_: y[1:], "must return 1200 labels, one a row, got shape (1199,)"),
        (lambda y, *_: y + 1, "must return class ids from 0 to 9, got 10"),
        (lambda y, *_: y / 2, "must return whole numbers, class ids, got float64"),
        (lambda y: y, "failed with TypeError"),
    ],
)
def test_a_wrong_noise_pattern_is_named(clean: None, flip: Any, expected: str) -> None:
    wann.register_noise("wrong", flip)
    with pytest.raises(wann.WannError) as refusal:
        wann.run(wann.Scenario(noise_pattern="wrong", noise_ratio=0.2))
    assert str(refusal.value).startswith("the noise pattern 'wrong' of this session ")
    assert expected in str(refusal.value)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda z, y: z.mean(), r"must return a tensor of 3 values, one a row, got shape ()"),
        (lambda z, y: 1.0, "got float"),
        (lambda z, y: z.detach()[:, 0], "must return what torch can differentiate"),
        (lambda z, y: z[:, 0] / 0, "that is not finite"),
        (lambda z, y: z[:, 99], "failed with IndexError"),
    ],
)
def test_a_wrong_loss_is_named(clean: None, loss: Any, expected: str) -> None:
    wann.register_loss("wrong", loss)
    with pytest.raises(wann.WannError) as refusal:
        evaluate_loss("wrong", np.eye(3), [0, 1, 2], family="mnist")
    assert str(refusal.value).startswith("the loss 'wrong' of this session ")
    assert expected in str(refusal.value)


@pytest.mark.parametrize("name", ["", "all", "None", "../x", "a b", "kNN-5", "WANN", "ce", 3])
def test_names_that_cannot_be(clean: None, name: Any) -> None:
    for register in (wann.register_method, wann.register_loss):
        with pytest.raises(wann.WannError):
            register(name, lambda *_: None)


def test_a_cell_may_run_again_and_is_then_other_code(clean: None, tmp_path: Path) -> None:
    store = ResultsStore(tmp_path / "results.sqlite")

    def register(shift: int) -> wann.Scenario:
        wann.register_noise("shift", lambda y, ratio, rng, C, X: (y + shift) % C)
        return wann.Scenario(noise_pattern="shift", noise_ratio=0.1)

    scenario = register(1)
    before = prepare(scenario).labels
    store.add([(scenario, report_record(wann.run(scenario)))], DEFAULT_ROOTS, "test")
    assert store.find([scenario], DEFAULT_ROOTS)
    scenario = register(2)
    assert not store.find([scenario], DEFAULT_ROOTS)
    np.testing.assert_array_equal(prepare(scenario).labels, (before + 1) % 10)


def test_runs_of_what_is_not_registered_are_counted_not_lost() -> None:
    with example_registered():
        record = scenario_record(noisy(method="extra-trees"))
    found = describe([record, {"method": "WANN"}])
    assert found.unknown == {"extra-trees": 1} and found.unreadable == 1


def test_colors_of_built_in_methods_stay(example: None) -> None:
    assert [color_slot(name) for name in ("ce", "logreg", "brier", "extra-trees")] == [
        0,
        15,
        20,
        21,
    ]

import dataclasses
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from torch import nn

from tests.helpers.reference import small_database
from wann_core import Scenario, WannError, add_noise, run_all
from wann_core.datasets import Dataset, Split, load
from wann_core.experiments.probe_data import ProbeData, Source, make_data
from wann_core.experiments.probe_runs import batches, fitted_last, run_trained
from wann_core.experiments.records import report_record, scenario_record
from wann_core.experiments.store import ResultsStore
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.probes.adam import AdamState
from wann_core.methods.probes.fits import Epoch, Fit, Head
from wann_core.methods.probes.registry import loss_parameters, recipe
from wann_core.methods.probes.trainer import Trainer
from wann_core.methods.probes.training import train
from wann_core.methods.registry import TRAINED
from wann_core.paths import DEFAULT_ROOTS

RECIPES = {name: recipe(name, loss_parameters(name, "cifar10").values) for name in LOSSES}
NOISY = Scenario(noise_pattern="sym", noise_ratio=0.3, draw="exact")
# Faster than the published rate, so that so few rows are learned within a few epochs.
FAST = ProbeSettings(learning_rate=0.01, num_epochs=30)


def small(val: bool = False) -> Dataset:
    """The small database, with its test rows as a validation split too if asked."""
    (X, y), (X_test, y_test) = small_database().values()
    splits = [
        Split(x.astype(np.float32), labels.ravel().astype(np.int64), np.arange(len(x)))
        for x, labels in ((X, y), (X_test, y_test))
    ]
    return Dataset("small", "tiny", tuple("abcd"), splits[0], splits[1], splits[1] if val else None)


def tasks_of(scenarios: Sequence[Scenario], data: Dataset) -> list[ProbeData]:
    source = Source.of(data, scenarios[0].normalization)
    return [make_data(scenario, source) for scenario in scenarios]


def fit(tasks: list[ProbeData], losses: Sequence[str], **options: Any) -> list[Fit]:
    settings = options.pop("settings", FAST)
    return train(tasks, {name: RECIPES[name] for name in losses}, settings, device="cpu", **options)


# Rows, noise, validation split


def test_validation_rows_are_drawn_after_the_noise_by_noisy_labels() -> None:
    data, scenario = small(), dataclasses.replace(NOISY, seed=5, draw="reference")
    (made,) = tasks_of([scenario], data)
    rng = np.random.RandomState(5)
    noisy = add_noise(data.train.y, "sym", 0.3, rng=rng, n_classes=4).labels
    train_rows, val_rows = train_test_split(
        np.arange(400), test_size=0.15, stratify=noisy, random_state=rng
    )
    np.testing.assert_array_equal(made.train, train_rows)
    np.testing.assert_array_equal(made.val, val_rows)
    np.testing.assert_array_equal(made.y_train, noisy[train_rows])
    np.testing.assert_array_equal(made.y_val, noisy[val_rows])
    assert made.noise_ratio == (noisy != data.train.y).mean()
    np.testing.assert_array_equal(
        made.clean_labels, data.train.y[np.concatenate([train_rows, val_rows])]
    )


def test_statistics_are_those_of_the_training_rows_alone() -> None:
    (made,) = tasks_of([NOISY], small())
    X = made.X[made.train].astype(np.float64)
    np.testing.assert_allclose(made.mean, X.mean(axis=0))
    np.testing.assert_allclose(made.scale[:-1], 1 / X[:, :-1].std(axis=0))
    assert made.scale[-1] == 0  # the constant feature


@pytest.mark.parametrize("how", ["l2", "none"])
def test_other_normalizations_have_no_statistics(how: str) -> None:
    (made,) = tasks_of([dataclasses.replace(NOISY, normalization=how)], small())
    assert not made.mean.any()
    assert (made.scale == 1).all()
    if how == "l2":
        np.testing.assert_allclose(np.linalg.norm(made.X, axis=1), 1, rtol=1e-5)


def test_subsample_gets_25_validation_rows_a_class_on_top() -> None:
    scenario = Scenario(seed=3, num_subsamples=120)
    (made,) = tasks_of([scenario], small())
    drawn, _ = train_test_split(
        np.arange(400), train_size=220, stratify=small().train.y, random_state=3
    )
    assert (len(made.train), len(made.val)) == (120, 100)
    assert set(drawn) == {*made.train, *made.val}


def test_own_validation_split_gets_its_noise_after_the_training_rows() -> None:
    data = small(val=True)
    (made,) = tasks_of([dataclasses.replace(NOISY, seed=2, draw="reference")], data)
    rng = np.random.RandomState(2)
    for given, clean in ((made.y_train, data.train.y), (made.y_val, data.test.y)):  # type: ignore[union-attr]
        expected = add_noise(clean, "sym", 0.3, rng=rng, n_classes=4).labels
        np.testing.assert_array_equal(given, expected)
    np.testing.assert_array_equal(made.X[made.val], data.val.X)  # type: ignore[union-attr]
    (few,) = tasks_of([Scenario(num_subsamples=120)], data)
    assert (len(few.train), len(few.val)) == (120, 100)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reduction": "PCA"}, "linear probes take embeddings without reduction, got 'PCA'"),
        ({"num_subsamples": 301}, "`num_subsamples` of a linear probe must leave 100 of 400 rows"),
    ],
)
def test_refused_scenarios(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(WannError, match=says):
        tasks_of([dataclasses.replace(NOISY, **changes)], small())


def test_refused_without_test_rows() -> None:
    with pytest.raises(WannError, match="need test rows, which data set 'small' does not have"):
        Source.of(dataclasses.replace(small(), test=None), "zscore")


def test_refused_where_a_class_cannot_be_split() -> None:
    data = small()
    y = np.zeros(400, np.int64)
    y[0] = 1
    data = dataclasses.replace(data, train=Split(data.train.X, y, data.train.ids))
    with pytest.raises(WannError, match=r"class 1 has 1\)"):
        tasks_of([Scenario()], data)


# Training


def plain(task: ProbeData, loss: str, settings: ProbeSettings) -> tuple[list[float], nn.Linear]:
    """The published training, a module, an optimizer and a scheduler of torch for one probe."""
    generator = torch.Generator().manual_seed(task.seed)
    X = ((task.X - task.mean) * task.scale).astype(np.float32)
    X_train, X_val = (torch.from_numpy(X[rows]) for rows in (task.train, task.val))
    y_train, y_val = torch.tensor(task.y_train), torch.tensor(task.y_val)
    layer = nn.Linear(X.shape[1], task.n_classes)
    with torch.no_grad():
        bound = 1 / math.sqrt(X.shape[1])
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    optimizer = torch.optim.Adam(
        layer.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", patience=settings.patience, min_lr=1e-5
    )
    from tests.engine.methods.probes.test_losses import DEFINITIONS

    values = loss_parameters(loss, "cifar10").values
    best, waited, accuracies, kept = -1.0, 0, [], dict[str, Any]()
    for _ in range(settings.num_epochs):
        order = torch.randperm(len(X_train), generator=generator)
        for rows in order.split(settings.batch_size):
            logits = layer(X_train[rows])
            value = DEFINITIONS[loss](logits, y_train[rows], values).mean()
            if loss.startswith("anl"):
                value = value + values["delta"] * sum(p.abs().sum() for p in layer.parameters())
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (layer(X_val).argmax(dim=1) == y_val).double().mean().item()
        accuracies.append(accuracy)
        scheduler.step(accuracy)
        waited += 1
        if accuracy > best:
            best, waited = accuracy, 0
            kept = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
        if waited >= settings.patience:
            break
    layer.load_state_dict(kept)
    return accuracies, layer


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "elr"])
def test_trains_as_a_module_of_torch_does(loss: str) -> None:
    (task,) = tasks_of([dataclasses.replace(NOISY, seed=4)], small())
    settings = dataclasses.replace(FAST, weight_decay=0.01, batch_size=50)
    (found,) = fit([task], [loss], settings=settings)
    accuracies, layer = plain(task, loss, settings)
    assert [epoch.val_accuracy for epoch in found.epochs] == pytest.approx(accuracies)
    assert found.best_epoch == 1 + int(np.argmax(accuracies))
    np.testing.assert_allclose(found.weight, layer.weight.detach().numpy(), rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(found.bias, layer.bias.detach().numpy(), rtol=1e-3, atol=2e-4)


@pytest.mark.slow
def test_together_as_alone() -> None:
    scenarios = [dataclasses.replace(NOISY, seed=seed) for seed in (1, 2, 3)]
    tasks = tasks_of(scenarios, load("digits", "pixels"))
    together = fit(tasks, LOSSES, margins=True)
    assert [(f.data, f.loss) for f in together] == [(t, name) for t in tasks for name in LOSSES]
    assert len({len(f.epochs) for f in together}) > 3  # they stop one by one
    for found in together[::4]:
        (alone,) = fit([found.data], [found.loss], margins=True)
        assert len(alone.epochs) == len(found.epochs)
        assert alone.best_epoch == found.best_epoch
        ours = np.array([epoch.val_accuracy for epoch in found.epochs])
        theirs = np.array([epoch.val_accuracy for epoch in alone.epochs])
        assert np.abs(ours - theirs).max() < 0.001
        np.testing.assert_allclose(alone.weight, found.weight, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(alone.margins, found.margins, rtol=1e-3, atol=1e-3)


def test_adam_of_the_gpu_is_that_of_the_cpu() -> None:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    first = AdamState(
        drawn(3, 5, 8) - 0.5,
        torch.zeros(3, 5, 8),
        torch.zeros(3, 5, 8),
        drawn(3, 8) / 100,
        drawn(8) / 10,
        decay=0.3,
    )
    second = AdamState(
        *(t.clone() for t in (first.weights, first.mean, first.square)), first.rates, first.l1, 0.3
    )
    for _ in range(4):
        gradient = drawn(3, 5, 8) - 0.5
        first.step(gradient.clone())
        second.steps += 1
        second._step_torch(gradient.clone())
    torch.testing.assert_close(first.weights, second.weights)
    torch.testing.assert_close(first.square, second.square)


def head_after(accuracies: Sequence[float], **settings: Any) -> Head:
    head = Head("ce", 0, settings.get("learning_rate", 1e-4))
    for i, accuracy in enumerate(accuracies):
        assert not head.done
        weights = torch.full((3, 2), float(i + 1))
        head.after(
            Epoch("ce", 0, i + 1, 0.0, accuracy, math.nan), weights, ProbeSettings(**settings)
        )
    return head


def test_stops_after_patience_epochs_that_are_not_better() -> None:
    head = head_after([0.5, 0.6, 0.6, 0.55, 0.6], patience=3)
    assert head.done
    found = head.fit(None)  # type: ignore[arg-type]
    assert found.best_epoch == 2
    assert (found.weight == 2).all()
    assert not head_after([0.5, 0.6, 0.6, 0.55, 0.61], patience=3).done


def test_last_epoch_ends_it() -> None:
    assert head_after([0.1, 0.2, 0.3], num_epochs=3).done


def test_rate_falls_while_gains_are_tiny() -> None:
    # Each is better, which keeps the early stop away, but by less than 0.01 %.
    creeping = [0.5 + i * 1e-6 for i in range(4)]
    assert head_after(creeping, patience=3, learning_rate=1e-2).rate == 1e-2
    creeping = [0.5 + i * 1e-6 for i in range(5)]
    assert head_after(creeping, patience=3, learning_rate=1e-2).rate == pytest.approx(1e-3)
    creeping = [0.5 + i * 1e-6 for i in range(9)]
    assert head_after(creeping, patience=3).rate == 1e-5
    assert head_after(creeping, patience=3, learning_rate=1e-6).rate == 1e-6


def test_margins_are_those_of_the_logits_and_find_wrong_labels() -> None:
    (task,) = tasks_of([NOISY], load("digits", "pixels"))
    (one,) = fit([task], ["ce"], margins=True, settings=ProbeSettings(0.01, num_epochs=1))
    X = ((task.X[task.val] - task.mean) * task.scale).astype(np.float32)
    logits = X @ one.weight.T + one.bias
    rows = np.arange(len(logits))
    others = logits.copy()
    others[rows, task.y_val] = -np.inf
    assert one.margins is not None
    expected = logits[rows, task.y_val] - others.max(axis=1)
    np.testing.assert_allclose(one.margins[len(task.train) :], expected, rtol=1e-3, atol=1e-4)
    (long,) = fit([task], ["gce"], margins=True)
    wrong = task.labels != task.clean_labels
    assert roc_auc_score(wrong, -long.margins) > 0.95
    assert fit([task], ["ce"], settings=ProbeSettings(num_epochs=1))[0].margins is None


def test_curves_and_test_accuracy() -> None:
    (task,) = tasks_of([NOISY], small())
    (found,) = fit([task], ["ce"], watch_test=True)
    X = (task.X_test - task.mean) * task.scale
    right = (X @ found.weight.T + found.bias).argmax(axis=1) == task.y_test
    assert found.epochs[found.best_epoch - 1].test_accuracy == pytest.approx(right.mean())
    losses = [epoch.train_loss for epoch in found.epochs]
    assert losses[-1] < losses[0]


def test_callbacks_come_in_the_calling_thread_and_stop_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = tasks_of([NOISY], small())
    threads, seen, fits, places = set(), list[Epoch](), list[Fit](), list[float]()

    def on_epoch(epochs: list[Epoch]) -> None:
        threads.add(threading.current_thread())
        seen.extend(epochs)

    def progress(done: float, total: float, text: str) -> None:
        threads.add(threading.current_thread())
        assert 0 <= done <= total == FAST.num_epochs
        assert "probes in training" in text
        places.append(done)

    made = fit(tasks, LOSSES, progress=progress, on_epoch=on_epoch, on_fit=fits.append)
    assert threads == {threading.current_thread()}
    assert places == sorted(places)
    assert {f.loss: f for f in fits} == {f.loss: f for f in made}
    for found in made:
        assert [e.epoch for e in seen if e.loss == found.loss] == [e.epoch for e in found.epochs]

    class Cancel(Exception):
        pass

    def cancel(done: float, total: float, text: str) -> None:
        raise Cancel

    begun = list[float]()
    original = Trainer.epoch
    monkeypatch.setattr(
        Trainer, "epoch", lambda self: begun.append(self.epochs_done) or original(self)
    )
    before = threading.active_count()
    with pytest.raises(Cancel):
        fit(tasks, LOSSES, progress=cancel, settings=ProbeSettings(num_epochs=200, patience=200))
    assert threading.active_count() == before
    assert max(begun) < 100  # the workers did not go on to the end


def test_torch_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    fit(tasks_of([NOISY], small()), ["ce"])
    found = list[int]()
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert (torch.get_num_threads(), found) == (before, [before])


def test_unknown_device() -> None:
    tasks = tasks_of([NOISY], small())
    with pytest.raises(WannError, match="`device` 'abacus' cannot be used"):
        train(tasks, {"ce": RECIPES["ce"]}, FAST, device="abacus")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("num_epochs", 0),
        ("batch_size", 1.5),
        ("patience", 0),
        ("weight_decay", -1),
    ],
)
def test_refused_settings(name: str, value: Any) -> None:
    with pytest.raises(WannError, match=f"^`{name}` must be") as caught:
        ProbeSettings(**{name: value})
    assert caught.value.field == name


# Scenarios, sweeps, records


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

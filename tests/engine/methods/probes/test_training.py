"""Probes train together as modules of torch do alone, and stop when they should."""

import dataclasses
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from tests.helpers.probing import FAST, NOISY, RECIPES, fit, small, tasks_of
from wann_core import WannError
from wann_core.datasets import load
from wann_core.experiments.probe_data import ProbeData
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.probes.adam import AdamState
from wann_core.methods.probes.fits import Epoch, Fit, Head
from wann_core.methods.probes.losses.registry import loss_parameters
from wann_core.methods.probes.trainer import Trainer
from wann_core.methods.probes.training import train


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

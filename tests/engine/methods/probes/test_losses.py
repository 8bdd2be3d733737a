import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.helpers.roots import ROOT
from wann_core import WannError
from wann_core.methods.probes import LOSSES, evaluate_loss, family_of, loss_parameters
from wann_core.methods.probes.losses.registry import recipe
from wann_core.methods.probes.losses.terms import BatchedLoss

DATA = ROOT / "tests" / "data"
EXPECTED: dict[str, float] = json.loads((DATA / "losses.json").read_text())
FOCAL = ("fl", "nfl_rce", "anl_fl")

Tensor = torch.Tensor
Parameters = dict[str, float]


@pytest.mark.parametrize("case", EXPECTED)
def test_published_values_and_gradients(case: str) -> None:
    tag, name, family = case.split("/")
    with np.load(DATA / "losses.npz") as arrays:
        layer = {part: arrays[f"{tag}_{part}"] for part in ("weight", "bias")}
        value, gradient = evaluate_loss(
            name, arrays[f"{tag}_logits"], arrays[f"{tag}_labels"], family=family, **layer
        )
        expected = arrays[f"{case}/grad"]
    assert value == pytest.approx(EXPECTED[case], rel=1e-4)
    # The published gradients are float32: their rounding is that of their largest entries.
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_copied_numbers_are_the_shared_ones(shared: Path) -> None:
    for name in ("losses.json", "losses.npz"):
        assert (DATA / name).read_bytes() == (shared / "golden" / name).read_bytes()


# The definitions once more, term by term, for autograd; focal factors detached.


def focal(log_p: Tensor, gamma: float) -> Tensor:
    return -((1 - log_p.exp().detach()) ** gamma) * log_p


def given(x: Tensor, y: Tensor) -> Tensor:
    return x[torch.arange(len(y)), y]


def nfl(z: Tensor, y: Tensor, gamma: float) -> Tensor:
    each = focal(F.log_softmax(z, dim=1), gamma)
    return given(each, y) / each.sum(dim=1)


def nnfl(z: Tensor, y: Tensor, gamma: float, min_prob: float) -> Tensor:
    lowest = math.log(min_prob)
    each = focal(F.log_softmax(z, dim=1).clamp(min=lowest), gamma)
    top = -((1 - min_prob) ** gamma) * lowest
    return 1 - (top - given(each, y)) / (z.shape[1] * top - each.sum(dim=1))


def rce(z: Tensor, y: Tensor) -> Tensor:
    log_t = torch.log(F.one_hot(y, z.shape[1]).double().clamp(1e-4, 1))
    return -(F.softmax(z, dim=1).clamp(min=1e-7) * log_t).sum(dim=1)


def p_y(z: Tensor, y: Tensor) -> Tensor:
    return given(F.softmax(z, dim=1), y)


def anl_ce_er(z: Tensor, y: Tensor, c: Parameters) -> Tensor:
    mean = F.softmax(z, dim=1).mean(dim=0)
    entropy = math.log(z.shape[1]) + (mean * mean.clamp(min=c["min_prob"]).log()).sum()
    return DEFINITIONS["anl_ce"](z, y, c) + c["lamb"] * entropy


def elr(z: Tensor, y: Tensor, c: Parameters) -> Tensor:
    p = F.softmax(z, dim=1).clamp(1e-4, 1 - 1e-4)
    t = (1 - c["beta"]) * (p / p.sum(dim=1, keepdim=True)).detach()
    return -F.log_softmax(z, dim=1)[torch.arange(len(y)), y] + c["lambda"] * torch.log(
        1 - (t * p).sum(dim=1)
    )


DEFINITIONS: dict[str, Callable[[Tensor, Tensor, Parameters], Tensor]] = {
    "ce": lambda z, y, c: -given(F.log_softmax(z, dim=1), y),
    "fl": lambda z, y, c: given(focal(F.log_softmax(z, dim=1), c["gamma"]), y),
    "mae": lambda z, y, c: 1 - p_y(z, y),
    "gce": lambda z, y, c: (1 - p_y(z, y).clamp(min=1e-7) ** c["q"]) / c["q"],
    "sce": lambda z, y, c: c["alpha"] * DEFINITIONS["ce"](z, y, c) + c["beta"] * rce(z, y),
    "nce_mae": lambda z, y, c: c["alpha"] * nfl(z, y, 0) + c["beta"] * (1 - p_y(z, y)),
    "nce_rce": lambda z, y, c: c["alpha"] * nfl(z, y, 0) + c["beta"] * rce(z, y),
    "nfl_rce": lambda z, y, c: c["alpha"] * nfl(z, y, c["gamma"]) + c["beta"] * rce(z, y),
    "nce_agce": lambda z, y, c: (
        c["alpha"] * nfl(z, y, 0)
        + c["beta"] * ((c["a"] + 1) ** c["q"] - (c["a"] + p_y(z, y)) ** c["q"]) / c["q"]
    ),
    "nce_aul": lambda z, y, c: (
        c["alpha"] * nfl(z, y, 0)
        + c["beta"] * ((c["a"] - p_y(z, y)) ** c["q"] - (c["a"] - 1) ** c["q"]) / c["q"]
    ),
    "nce_ael": lambda z, y, c: (
        c["alpha"] * nfl(z, y, 0) + c["beta"] * torch.exp(-p_y(z, y) / c["a"])
    ),
    "anl_ce": lambda z, y, c: c["alpha"] * nfl(z, y, 0) + c["beta"] * nnfl(z, y, 0, c["min_prob"]),
    "anl_fl": lambda z, y, c: (
        c["alpha"] * nfl(z, y, c["gamma"]) + c["beta"] * nnfl(z, y, c["gamma"], c["min_prob"])
    ),
    "anl_ce_er": anl_ce_er,
    "elr": elr,
}


@pytest.mark.parametrize("family", ["mnist", "cifar10", "cifar100"])
@pytest.mark.parametrize(("classes", "spread"), [(2, 1.0), (7, 4.0), (30, 12.0)])
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients_are_those_of_the_definitions(
    name: str, family: str, classes: int, spread: float
) -> None:
    rng = np.random.default_rng(classes)
    logits, labels = spread * rng.normal(size=(23, classes)), rng.integers(0, classes, 23)
    z = torch.tensor(logits, requires_grad=True)
    values = loss_parameters(name, family).values
    expected = DEFINITIONS[name](z, torch.tensor(labels), values).mean()
    (slope,) = torch.autograd.grad(expected, z)
    value, gradient = evaluate_loss(name, logits, labels, family=family)
    assert value == pytest.approx(expected.item(), rel=1e-9)
    np.testing.assert_allclose(gradient, slope.numpy(), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in (*FOCAL, "elr")])
def test_gradient_is_that_of_the_value(name: str) -> None:
    rng = np.random.default_rng(3)
    logits, labels = 2 * rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
    _, gradient = evaluate_loss(name, logits, labels, family="cifar10")
    numeric = np.empty_like(logits)
    for at in np.ndindex(logits.shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = logits.copy()
            moved[at] += step
            sides.append(evaluate_loss(name, moved, labels, family="cifar10")[0])
        numeric[at] = (sides[0] - sides[1]) / 2e-5
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_finite_for_extreme_logits(name: str, dtype: Any) -> None:
    rows = [
        [1e4, -1e4, 0],
        [-1e4, 1e4, 0],
        [1e30, -1e30, 1e30],
        [0, 0, 0],
        [88, -88, 0],
        [-1e-30, 0, 0],
    ]
    logits, labels = np.repeat(np.array(rows, dtype), 3, axis=0), np.tile(np.arange(3), len(rows))
    for family in ("mnist", "cifar10", "cifar100"):
        made = recipe(name, loss_parameters(name, family).values)
        gradient = np.full_like(logits, np.nan)
        loss = BatchedLoss([made], 3, 1, len(labels))
        values = loss(logits, labels, np.arange(len(labels)), gradient)
        assert np.isfinite(values).all()
        assert np.isfinite(gradient).all()


def test_heads_do_not_touch_one_another() -> None:
    rng = np.random.default_rng(0)
    made = [recipe(name, loss_parameters(name, "cifar10").values) for name in LOSSES]
    logits = rng.normal(size=(40, 15 * 4)).astype(np.float32)
    labels, rows = rng.integers(0, 4, 40), np.arange(40) % 20
    together = np.empty_like(logits)
    values = BatchedLoss(made, 4, 2, 20)(logits, labels, rows, together)
    for h, one in enumerate(made):
        for seed, part in enumerate((slice(0, 20), slice(20, 40))):
            alone = np.empty((20, 4), np.float32)
            own = np.ascontiguousarray(logits[part, 4 * h : 4 * h + 4])
            value = BatchedLoss([one], 4, 1, 20)(own, labels[part], rows[part], alone)
            assert value[0, 0] == pytest.approx(values[seed, h], rel=1e-12)
            np.testing.assert_array_equal(alone, together[part, 4 * h : 4 * h + 4])


def test_early_learning_remembers_each_row_of_each_seed() -> None:
    made = recipe("elr", {"beta": 0.7, "lambda": 3})
    loss = BatchedLoss([made], 3, 2, 5)
    rng = np.random.default_rng(1)
    t = np.zeros((2, 5, 3))
    for _ in range(3):
        logits, labels = rng.normal(size=(4, 3)), rng.integers(0, 3, 4)
        rows = np.array([4, 1, 0, 1])  # two rows of seed 0, then two of seed 1
        values = loss(logits, labels, rows, np.empty_like(logits))
        expected = np.empty(4)
        for i, (z, y, row) in enumerate(zip(logits, labels, rows, strict=True)):
            p = np.exp(z) / np.exp(z).sum()
            t[i // 2, row] = 0.7 * t[i // 2, row] + 0.3 * p
            expected[i] = -np.log(p[y]) + 3 * np.log(1 - t[i // 2, row] @ p)
        np.testing.assert_allclose(values[:, 0], expected.reshape(2, 2).mean(axis=1), rtol=1e-5)


def test_layer_counts_in_the_value_of_active_negative_losses_only() -> None:
    layer: dict[str, Any] = {"weight": [[1.0, -2.0]], "bias": [0.5]}
    for name in LOSSES:
        plain, _ = evaluate_loss(name, [[0.3, 0.1]], [0], family="cifar10")
        value, _ = evaluate_loss(name, [[0.3, 0.1]], [0], family="cifar10", **layer)
        assert value - plain == pytest.approx(5e-5 * 3.5 if name.startswith("anl") else 0)


@pytest.mark.parametrize(
    ("dataset", "family"),
    [
        ("cifar10", "cifar10"),
        ("cifar10-n/worse_label", "cifar10"),
        ("cifar100", "cifar100"),
        ("cifar100-n/noisy_label", "cifar100"),
        ("mnist", "mnist"),
        ("dermamnist", "cifar10"),
        ("breastmnist", "cifar10"),
        ("animal-10n", "cifar10"),
        ("digits", "cifar10"),
    ],
)
def test_families(dataset: str, family: str) -> None:
    assert family_of(dataset) == family


def test_parameters_are_the_published_ones(shared: Path) -> None:
    published = json.loads((shared / "docs" / "loss_params.json").read_text())
    assert set(published) == set(LOSSES)
    for name, families in published.items():
        for family, values in families.items():
            found = loss_parameters(name, family)
            source = "cifar10" if values is None else family
            assert found == (families[source], source)


def test_parameters_can_be_replaced() -> None:
    assert loss_parameters("gce", "mnist", {"q": 0.5}).values == {"q": 0.5}
    lower, _ = evaluate_loss("gce", [[0.0, 1.0]], [0], family="mnist", parameters={"q": 0.5})
    assert lower == pytest.approx((1 - (1 / (1 + math.e)) ** 0.5) / 0.5)


@pytest.mark.parametrize(
    ("name", "family", "replaced", "says"),
    [
        ("hinge", "cifar10", {}, "`loss_function` must be one of ce, fl,"),
        ("ce", "svhn", {}, "`family` must be one of mnist,"),
        ("ce", "cifar10", {"q": 1}, "loss 'ce' has the parameters none, not 'q'"),
        ("gce", "cifar10", {"q": 0}, "`q` must be a number between 0.001 and"),
        ("gce", "cifar10", {"q": math.nan}, "`q` must be a number"),
        ("nce_aul", "cifar10", {"a": 1}, "`a` of nce_aul must be above 1"),
        ("elr", "cifar10", {"beta": 1.5}, "`beta` of elr must be between 0 and 1"),
        ("anl_ce", "cifar10", {"min_prob": 0}, "`min_prob` must be a number between"),
    ],
)
def test_refused_parameters(name: str, family: str, replaced: Parameters, says: str) -> None:
    with pytest.raises(WannError, match="^" + says.replace("(", r"\(")):
        loss_parameters(name, family, replaced)


@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        ([1.0, 2.0], [0], "`logits` must be finite, rows × classes"),
        ([[1.0, math.inf]], [0], "`logits` must be finite"),
        ([[1.0, 2.0]], [2], "`labels` must be 1 class ids from 0 to 1"),
        ([[1.0, 2.0]], [-1], "`labels` must be"),
        ([[1.0, 2.0]], [0, 1], "`labels` must be"),
        ([[1.0, 2.0]], [0.0], "`labels` must be"),
    ],
)
def test_refused_logits_and_labels(logits: Any, labels: Any, says: str) -> None:
    with pytest.raises(WannError, match=says):
        evaluate_loss("ce", logits, labels, family="cifar10")


def test_engine_starts_without_torch() -> None:
    modules = "wann_core.experiments.probe_runs, wann_core.__main__"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

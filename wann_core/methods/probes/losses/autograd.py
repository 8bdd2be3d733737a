"""Registered losses: values and gradients by torch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from wann_core.errors import WannError
from wann_core.methods.probes.losses.recipes import CustomLoss, Recipe
from wann_core.methods.probes.losses.registry import ALL_LOSSES


def add_custom(
    recipes: Sequence[Recipe], logits: Tensor, labels: Tensor, values: Tensor, slopes: Tensor
) -> None:
    """Add the registered losses among those of a stack's heads.

    Parameters
    ----------
    recipes : sequence of Recipe, length H
    logits : Tensor of shape (S, B, at least H · C), on any device
    labels : Tensor of shape (S, B), int64
    values : Tensor of shape (S, H), float64
        Mean losses; those of the registered ones are added.
    slopes : Tensor of shape (S, B, at least H · C)
        Gradients of the mean over each seed's batch; likewise.

    Raises
    ------
    WannError
        If a registered loss fails, or returns anything but a finite value a row.
    """
    custom = [(h, recipe.custom) for h, recipe in enumerate(recipes) if recipe.custom is not None]
    if not custom:
        return
    n_classes = logits.shape[-1] // len(recipes)
    for seed in range(len(logits)):
        given = labels[seed].to(logits.device)
        for h, loss in custom:
            columns = slice(h * n_classes, (h + 1) * n_classes)
            value, slope = evaluate(loss, logits[seed, :, columns], given)
            values[seed, h] += value
            slopes[seed, :, columns] += slope.to(slopes.device)


def evaluate(loss: CustomLoss, logits: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Mean value of a registered loss over the rows, and its gradient, shape (B, C).

    Raises
    ------
    WannError
        As `add_custom` does.
    """
    z = logits.detach().clone().requires_grad_()
    with torch.enable_grad():
        try:
            each = loss.function(z, labels.clone(), **loss.parameters)
        except Exception as error:
            raise _fault(loss, f"failed with {type(error).__name__}: {error}") from error
        if not isinstance(each, Tensor) or each.shape != labels.shape:
            got = f"shape {tuple(each.shape)}" if isinstance(each, Tensor) else type(each).__name__
            raise _fault(
                loss, f"must return a tensor of {len(labels)} values, one a row, got {got}"
            )
        if not each.requires_grad:
            raise _fault(loss, "must return what torch can differentiate by the logits")
        value = each.mean()
        try:
            (slope,) = torch.autograd.grad(value, z)
        except RuntimeError as error:
            raise _fault(loss, f"cannot be differentiated: {error}") from error
    if not (torch.isfinite(value) and torch.isfinite(slope).all()):
        raise _fault(loss, "gave a value or gradient that is not finite")
    return float(value.detach()), slope


def _fault(loss: CustomLoss, what: str) -> WannError:
    text = " ".join(what.split()).rstrip(".")
    return WannError(f"the loss {ALL_LOSSES[loss.name].described} {text}.", "method")

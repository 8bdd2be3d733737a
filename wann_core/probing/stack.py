"""Many linear heads as one layer: their weights side by side, one matrix product for all."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wann_core.probing.recipes import Recipe
from wann_core.probing.terms import BatchedLoss

# In matrix products of a multiple of this many columns, each column has the same bits however many
# others stand beside it (seen with MKL), so that a head trains alike alone and in company.
_COLUMNS = 16
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class HeadStack:
    """Linear heads of several seeds, each under its own loss, and Adam for all of them.

    Every seed has the same heads. Rows come with a constant 1 appended, whose weight is the bias.

    Parameters
    ----------
    initial : Tensor of shape (S, d + 1, C)
        First weights of each seed, the same for all its heads.
    recipes : sequence of Recipe, length H
    n_rows : int
        Training rows of a seed, for losses that remember each.
    learning_rate, weight_decay : float
        Of Adam; the decay is an L2 penalty.

    References
    ----------
    Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
    """

    def __init__(
        self,
        initial: Tensor,
        recipes: Sequence[Recipe],
        n_rows: int,
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        n_seeds, _, self._n_classes = initial.shape
        self._like: dict[str, Any] = {"dtype": initial.dtype, "device": initial.device}
        self._weight_decay = weight_decay
        self._steps = 0
        self._set_loss(BatchedLoss(recipes, self._n_classes, n_seeds, n_rows))
        self._weights = self._side_by_side(initial[:, :, None].expand(-1, -1, len(recipes), -1))
        self._mean, self._square = torch.zeros_like(self._weights), torch.zeros_like(self._weights)
        self.set_learning_rates(torch.full((n_seeds, len(recipes)), learning_rate))

    def _set_loss(self, loss: BatchedLoss) -> None:
        self._loss = loss
        self._used = len(loss.recipes) * self._n_classes
        self._l1 = torch.tensor([recipe.l1 for recipe in loss.recipes], **self._like)
        # L1 penalties act on the columns from the first head to the last that has one.
        heads = [h for h, recipe in enumerate(loss.recipes) if recipe.l1]
        first, end = (heads[0], heads[-1] + 1) if heads else (0, 0)
        self._penalised = slice(first * self._n_classes, end * self._n_classes)
        self._l1_by_column = self._l1[first:end].repeat_interleave(self._n_classes)

    def set_learning_rates(self, rates: Tensor) -> None:
        """Learning rate of each head from now on, shape (S, H)."""
        self._rates = torch.ones((len(rates), 1, self._weights.shape[-1]), **self._like)
        self._rates[:, 0, : self._used] = rates.repeat_interleave(self._n_classes, dim=-1)

    def _side_by_side(self, apart: Tensor) -> Tensor:
        """(S, d + 1, H, C) → (S, d + 1, columns), filled up with zeros."""
        padded = -(-self._used // _COLUMNS) * _COLUMNS
        joined = torch.zeros((*apart.shape[:2], padded), **self._like)
        joined[..., : self._used] = apart.flatten(2)
        return joined

    def _apart(self, joined: Tensor) -> Tensor:
        """(S, …, columns) → (S, …, H, C)."""
        shape = (*joined.shape[:-1], len(self._loss.recipes), self._n_classes)
        return joined[..., : self._used].reshape(shape)

    @property
    def weights(self) -> Tensor:
        """Weights and, in the last row, biases: (S, d + 1, H, C)."""
        return self._apart(self._weights)

    def logits(self, x: Tensor) -> Tensor:
        """(S, n, d + 1) → (S, n, H, C)."""
        return self._apart(torch.bmm(x, self._weights))

    def penalties(self) -> Tensor:
        """The L1 part of each head's loss: (S, H)."""
        return self.weights.abs().sum(dim=(1, 3)) * self._l1

    def step(self, x: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """One step of every head.

        Parameters
        ----------
        x : Tensor of shape (S, B, d + 1)
        labels, rows : Tensor of shape (S, B), int64, on the CPU
            Given labels, and which training rows these are.

        Returns
        -------
        values : Tensor of shape (S, H), float64, on the CPU
            Mean losses before the step, without their L1 parts.
        logits : Tensor of shape (S, B, H, C)
            Before the step.
        """
        logits = torch.bmm(x, self._weights)
        # The losses are compiled for the CPU; for a GPU it is cheaper to fetch these few numbers
        # than to start the hundred small kernels that the losses would be there.
        slopes = torch.zeros(logits.shape, dtype=logits.dtype)
        values = self._loss(
            logits.flatten(0, 1).cpu().numpy(),
            labels.flatten().numpy(),
            rows.flatten().numpy(),
            slopes.flatten(0, 1).numpy(),
        )
        self._adam(torch.bmm(x.transpose(1, 2), slopes.to(x.device)))
        return torch.from_numpy(values), self._apart(logits)

    def _adam(self, gradient: Tensor) -> None:
        if self._l1_by_column.numel():
            part = self._weights[..., self._penalised]
            gradient[..., self._penalised].addcmul_(part.sign(), self._l1_by_column)
        if self._weight_decay:
            gradient.add_(self._weights, alpha=self._weight_decay)
        self._steps += 1
        left1, left2 = 1 - _BETA1**self._steps, 1 - _BETA2**self._steps
        self._mean.lerp_(gradient, 1 - _BETA1)
        self._square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        # rate · (mean / left1) / (√(square / left2) + ε), with the rate moved into the divisor.
        scale = left1 / self._rates
        divisor = torch.addcmul(_EPSILON * scale, self._square.sqrt(), scale / math.sqrt(left2))
        self._weights.addcdiv_(self._mean, divisor, value=-1)

    def keep(self, seeds: Sequence[int], heads: Sequence[int]) -> None:
        """Go on with these positions on the seed and head axes only; learning rates start at 1."""
        at = torch.tensor(list(seeds), device=self._like["device"])
        chosen = [
            self._apart(joined)[at][:, :, list(heads)]
            for joined in (self._weights, self._mean, self._square)
        ]
        self._set_loss(self._loss.keep(seeds, heads))
        self._weights, self._mean, self._square = map(self._side_by_side, chosen)
        self.set_learning_rates(torch.ones((len(seeds), len(heads))))

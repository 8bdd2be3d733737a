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
        Sorted by `terms.kind`.
    n_rows : int
        Training rows of a seed, for losses that remember each.
    weight_decay : float
        Adam's L2 penalty.

    References
    ----------
    Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
    """

    def __init__(
        self, initial: Tensor, recipes: Sequence[Recipe], n_rows: int, weight_decay: float
    ) -> None:
        n_seeds, _, self._n_classes = initial.shape
        self._like: dict[str, Any] = {"dtype": initial.dtype, "device": initial.device}
        self._weight_decay = weight_decay
        self._steps = 0
        self._set_recipes(recipes)
        self._weights = self._side_by_side(initial[:, :, None].expand(-1, -1, len(recipes), -1))
        self._mean, self._square = torch.zeros_like(self._weights), torch.zeros_like(self._weights)
        self._memory = {
            h: torch.zeros((n_seeds, n_rows, self._n_classes), **self._like)
            for h in self._loss.early
        }

    def _set_recipes(self, recipes: Sequence[Recipe]) -> None:
        self._recipes = list(recipes)
        self._loss = BatchedLoss(recipes, **self._like)
        self._used = len(recipes) * self._n_classes
        # L1 penalties, from the first column that has one.
        penalties = [r.l1 for r in recipes]
        first = next((h for h, l1 in enumerate(penalties) if l1), len(recipes))
        self._l1 = torch.tensor(penalties[first:], **self._like)
        self._penalised = slice(first * self._n_classes, self._used)

    def _side_by_side(self, apart: Tensor) -> Tensor:
        """(S, d + 1, H, C) → (S, d + 1, columns), filled up with zeros."""
        padded = -(-self._used // _COLUMNS) * _COLUMNS
        joined = torch.zeros((*apart.shape[:2], padded), **self._like)
        joined[..., : self._used] = apart.flatten(2)
        return joined

    def _apart(self, joined: Tensor) -> Tensor:
        """(…, columns) → (…, H, C)."""
        shape = (*joined.shape[:-1], len(self._recipes), self._n_classes)
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
        sums = self.weights.abs().sum(dim=(1, 3))
        return sums * torch.tensor([r.l1 for r in self._recipes], **self._like)

    def step(
        self, x: Tensor, labels: Tensor, rows: Tensor, learning_rates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One step of every head.

        Parameters
        ----------
        x : Tensor of shape (S, B, d + 1)
        labels, rows : Tensor of shape (S, B), int64
            Given labels, and which training rows these are.
        learning_rates : Tensor of shape (S, H)

        Returns
        -------
        values : Tensor of shape (S, H)
            Mean losses before the step, without their L1 parts.
        logits : Tensor of shape (S, B, H, C)
            Before the step.
        """
        logits = self.logits(x)
        memory = [(self._memory[h], rows) for h in self._loss.early]
        values, gradient = self._loss(logits, labels, memory)
        slopes = torch.zeros((*x.shape[:2], self._weights.shape[-1]), **self._like)
        slopes[..., : self._used] = gradient.flatten(2)
        self._adam(torch.bmm(x.transpose(1, 2), slopes), learning_rates)
        return values, logits

    def _adam(self, gradient: Tensor, learning_rates: Tensor) -> None:
        if self._l1.numel():
            part = self._weights[..., self._penalised]
            gradient[..., self._penalised] += part.sign() * self._by_column(self._l1)
        if self._weight_decay:
            gradient.add_(self._weights, alpha=self._weight_decay)
        self._steps += 1
        left1, left2 = 1 - _BETA1**self._steps, 1 - _BETA2**self._steps
        self._mean.lerp_(gradient, 1 - _BETA1)
        self._square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        # rate · (mean / left1) / (√(square / left2) + ε), with the rate moved into the divisor.
        rates = torch.ones((len(gradient), 1, gradient.shape[-1]), **self._like)
        rates[:, 0, : self._used] = self._by_column(learning_rates)
        scale = left1 / rates
        divisor = torch.addcmul(_EPSILON * scale, self._square.sqrt(), scale / math.sqrt(left2))
        self._weights.addcdiv_(self._mean, divisor, value=-1)

    def _by_column(self, by_head: Tensor) -> Tensor:
        return by_head.repeat_interleave(self._n_classes, dim=-1)

    def keep(self, seeds: Sequence[int], heads: Sequence[int]) -> None:
        """Go on with these positions on the seed and head axes only."""
        at = torch.tensor(list(seeds), device=self._like["device"])

        def kept(joined: Tensor) -> Tensor:
            return self._apart(joined)[at][:, :, list(heads)]

        chosen = [kept(joined) for joined in (self._weights, self._mean, self._square)]
        self._memory = {heads.index(h): t[at] for h, t in self._memory.items() if h in heads}
        self._set_recipes([self._recipes[h] for h in heads])
        self._weights, self._mean, self._square = map(self._side_by_side, chosen)

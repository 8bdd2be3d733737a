"""Many linear heads as one layer: their weights side by side, one matrix product for all."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wann_core.methods.probes.adam import AdamState
from wann_core.methods.probes.losses.autograd import add_custom
from wann_core.methods.probes.losses.recipes import Recipe
from wann_core.methods.probes.losses.terms import BatchedLoss

# In matrix products of a multiple of this many columns, each column has the same bits however many
# others stand beside it (seen with MKL), so that a head trains alike alone and in company.
_COLUMNS = 16


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
        self._set_loss(BatchedLoss(recipes, self._n_classes, n_seeds, n_rows))
        weights = self._side_by_side(initial[:, :, None].expand(-1, -1, len(recipes), -1))
        self._adam = AdamState(
            weights,
            mean=torch.zeros_like(weights),
            square=torch.zeros_like(weights),
            rates=torch.full((n_seeds, weights.shape[-1]), learning_rate, **self._like),
            l1=self._l1_by_column(),
            decay=weight_decay,
        )
        self._gradient = torch.empty_like(weights)

    def _set_loss(self, loss: BatchedLoss) -> None:
        self._loss = loss
        self._used = len(loss.recipes) * self._n_classes
        self._l1 = torch.tensor([recipe.l1 for recipe in loss.recipes], **self._like)

    def _l1_by_column(self) -> Tensor:
        return self._side_by_side(self._l1[None, None, :, None].expand(1, 1, -1, self._n_classes))[
            0, 0
        ]

    def set_learning_rates(self, rates: Tensor) -> None:
        """Learning rate of each head from now on, shape (S, H)."""
        self._adam.rates[:, : self._used] = rates.repeat_interleave(self._n_classes, dim=-1)

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
        return self._apart(self._adam.weights)

    def logits(self, x: Tensor) -> Tensor:
        """(S, n, d + 1) → (S, n, H, C)."""
        return self._apart(torch.bmm(x, self._adam.weights))

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
        logits = torch.bmm(x, self._adam.weights)
        # The losses are compiled for the CPU; for a GPU it is cheaper to fetch these few numbers
        # than to start the hundred small kernels that the losses would be there.
        slopes = torch.zeros(logits.shape, dtype=logits.dtype)
        values = self._loss(
            logits.flatten(0, 1).cpu().numpy(),
            labels.flatten().numpy(),
            rows.flatten().numpy(),
            slopes.flatten(0, 1).numpy(),
        )
        found = torch.from_numpy(values)
        add_custom(self._loss.recipes, logits[..., : self._used], labels, found, slopes)
        torch.bmm(x.transpose(1, 2), slopes.to(x.device), out=self._gradient)
        self._adam.step(self._gradient)
        return found, self._apart(logits)

    def keep(self, seeds: Sequence[int], heads: Sequence[int]) -> None:
        """Go on with these positions on the seed and head axes only; learning rates start at 1."""
        at = torch.tensor(list(seeds), device=self._like["device"])
        adam = self._adam
        chosen = [
            self._apart(joined)[at][:, :, list(heads)]
            for joined in (adam.weights, adam.mean, adam.square)
        ]
        self._set_loss(self._loss.keep(seeds, heads))
        adam.weights, adam.mean, adam.square = map(self._side_by_side, chosen)
        adam.rates = torch.ones((len(seeds), adam.weights.shape[-1]), **self._like)
        adam.l1 = self._l1_by_column()
        # Fresh memory for this at every step would cost as much as the arithmetic in it.
        self._gradient = torch.empty_like(adam.weights)

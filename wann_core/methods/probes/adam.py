"""Adam for many columns of weights, each with its own learning rate and L1 penalty.

Twice: compiled for the CPU, where one pass over the weights takes a third of the time of torch's
half a dozen, and in torch for a GPU. Both change their arguments in place.

References
----------
Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
"""

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from wann_core.parallel import in_slices

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
# Weights that are worth a thread of their own.
_SLICE = 2_000_000


@dataclass
class AdamState:
    """Weights, running means of their gradient and its square, and what each column asks for.

    Attributes
    ----------
    weights, mean, square : Tensor of shape (S, d + 1, columns), float32
    rates, l1 : Tensor of shape (S, columns) and (columns,), float32
        Learning rates, and weights of the absolute values in the loss.
    decay : float
        Weight of half the squares in the loss.
    steps : int
        Taken so far.
    """

    weights: Tensor
    mean: Tensor
    square: Tensor
    rates: Tensor
    l1: Tensor
    decay: float
    steps: int = 0

    def step(self, gradient: Tensor) -> None:
        """One step down the gradient, of the shape of the weights, plus that of the penalties."""
        self.steps += 1
        if gradient.device.type == "cpu":
            self._step_compiled(gradient)
        else:
            self._step_torch(gradient)

    def _divisors(self) -> tuple[Tensor, Tensor]:
        """Factor of √square and the summand beside it that divide the mean, each (S, columns).

        rate · (mean / left1) / (√(square / left2) + ε), with the rate moved into the divisor.
        """
        left1, left2 = 1 - _BETA1**self.steps, 1 - _BETA2**self.steps
        scale = left1 / self.rates
        return scale / math.sqrt(left2), scale * _EPSILON

    def _step_torch(self, gradient: Tensor) -> None:
        gradient.addcmul_(self.weights.sign(), self.l1).add_(self.weights, alpha=self.decay)
        self.mean.lerp_(gradient, 1 - _BETA1)
        self.square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        factor, summand = (part[:, None] for part in self._divisors())
        divisor = torch.addcmul(summand, self.square.sqrt(), factor)
        self.weights.addcdiv_(self.mean, divisor, value=-1)

    def _step_compiled(self, gradient: Tensor) -> None:
        n_seeds, depth, columns = gradient.shape
        arrays = [
            part.view(-1, columns).numpy()
            for part in (self.weights, gradient, self.mean, self.square)
        ]
        factor, summand = (part.numpy() for part in self._divisors())
        in_slices(
            _step,
            n_seeds * depth,
            depth,
            *arrays,
            factor,
            summand,
            self.l1.numpy(),
            np.float32(self.decay),
            np.float32(1 - _BETA1),
            np.float32(1 - _BETA2),
            rows=max(1, _SLICE // columns),
        )


# Under numpy's rules a division is not checked, so that the loop over columns is vectorised.
@numba.njit(nogil=True, cache=True, error_model="numpy")
def _step(  # type: ignore[no-untyped-def]
    start, stop, depth, weights, gradient, mean, square, factor, summand, l1, decay, new1, new2
) -> Any:
    for r in range(start, stop):
        seed = r // depth
        for j in range(weights.shape[1]):
            w = weights[r, j]
            g = gradient[r, j] + decay * w
            if w > 0:
                g += l1[j]
            elif w < 0:
                g -= l1[j]
            m = mean[r, j] + new1 * (g - mean[r, j])
            v = square[r, j] + new2 * (g * g - square[r, j])
            mean[r, j] = m
            square[r, j] = v
            weights[r, j] = w - m / (math.sqrt(v) * factor[seed, j] + summand[seed, j])

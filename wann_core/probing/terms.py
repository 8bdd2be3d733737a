"""Values and gradients of many losses at once, in closed form.

A loss is a function of log p. With D_k = ∂L/∂log p_k its gradient is ∂L/∂z = D - p ΣD, so it is
enough to know D for each term of a loss. Many terms depend on p_y alone: their D is one number a
row and head, and the dense work is one softmax for all heads together.

torch tensors have the axes seed (S), row of the batch (B), head (H: a loss), class (C).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

import torch
from torch import Tensor

from wann_core.probing.recipes import Recipe

# Bounds of p in early-learning regularisation.
_ELR_FLOOR = 1e-4
_REVERSE_FLOOR = 1e-7


def _softmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Log p and p; for few classes in less time than torch's own."""
    log_p = logits - logits.amax(dim=-1, keepdim=True)
    p = log_p.exp()
    sums = p.sum(dim=-1, keepdim=True)
    return log_p.sub_(sums.log()), p.div_(sums)


def kind(recipe: Recipe) -> int:
    """By what to sort heads, so that each kind of dense term acts on one slice of them.

    First the losses of p_y alone, then early-learning regularisation, reverse cross entropy,
    normalised losses (those with reverse cross entropy first), and normalised negative losses.
    """
    if recipe.normalized or recipe.negative:
        return 5 if recipe.negative else 3 if recipe.reverse else 4
    return 2 if recipe.reverse else 1 if recipe.early else 0


class BatchedLoss:
    """Several losses, each on its own logits, for the same rows and labels.

    Parameters
    ----------
    recipes : sequence of Recipe, length H
        Sorted by `kind`.
    dtype, device
        Of the logits.

    Attributes
    ----------
    early : list of int
        Heads under early-learning regularisation, which needs a memory.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.recipes = list(recipes)
        self._dtype, self._device = dtype, device
        kinds = [kind(r) for r in recipes]
        # First head of each slice; reverse cross entropy has an end as well.
        self.dense, self._reversed, self.normal, self._reversed_end, self.floored = (
            bisect_left(kinds, first) for first in (1, 2, 3, 4, 5)
        )
        self.early = [h for h, r in enumerate(self.recipes) if r.early]
        self._entropy = [h for h, r in enumerate(self.recipes) if r.entropy]
        self._focal = [h for h, r in enumerate(self.recipes) if r.gamma]
        self._log, self._power = self._weights("log"), self._weights("power")
        self._exponential = self._weights("exponential")
        self._shift, self._sign = self._constants("shift"), self._constants("sign")
        self._exponent, self._scale = self._constants("exponent"), self._constants("scale")
        self._floor = self._constants("floor")
        self._top = self._sign * (self._shift + self._sign) ** self._exponent / self._exponent
        self._reverse = self._constants("reverse")[self._reversed : self._reversed_end]
        self._normalized = self._constants("normalized")[self.normal :]
        self._negative = self._constants("negative")[self.floored :]
        floored = self.recipes[self.floored :]
        self._lowest = self._tensor([math.log(r.min_prob) for r in floored])[:, None]
        self._offset = self._tensor(
            [-((1 - r.min_prob) ** r.gamma) * math.log(r.min_prob) for r in floored]
        )[:, None]

    def _tensor(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self._device)

    def _constants(self, name: str) -> Tensor:
        return self._tensor([float(getattr(r, name)) for r in self.recipes])

    def _weights(self, name: str) -> Tensor | None:
        """One weight a head, or None where no head has the term."""
        return self._constants(name) if any(getattr(r, name) for r in self.recipes) else None

    def __call__(
        self, logits: Tensor, labels: Tensor, memory: Sequence[tuple[Tensor, Tensor]] = ()
    ) -> tuple[Tensor, Tensor]:
        """Mean value over the batch, and its gradient.

        Parameters
        ----------
        logits : Tensor of shape (S, B, H, C)
        labels : Tensor of shape (S, B), int64
        memory : sequence of (t, rows)
            For each head of `early`, the running predictions t of shape (S, n, C), which are
            updated, and the rows (S, B) of this batch in it.

        Returns
        -------
        values : Tensor of shape (S, H)
            Without the L1 part, which is no function of the logits.
        gradient : Tensor of shape (S, B, H, C)
        """
        log_p, p = _softmax(logits)
        y = labels[:, :, None, None].expand(*logits.shape[:3], 1)
        log_y, p_y = log_p.gather(-1, y).squeeze(-1), p.gather(-1, y).squeeze(-1)
        value, slope = self._of_given(log_y, p_y)  # D at the given label
        total = slope
        D = None
        if self.dense < len(self.recipes):
            D = torch.zeros_like(p[:, :, self.dense :])
            self._dense(log_p, p, y, value, slope, D, memory)
            total = slope.clone()
            total[:, :, self.dense :] += D.sum(dim=-1)
        gradient = p.mul_(-total[..., None])
        if D is not None:
            gradient[:, :, self.dense :] += D
        gradient.scatter_add_(-1, y, slope[..., None])
        return value.mean(dim=1), gradient.div_(logits.shape[1])

    def _of_given(self, log_y: Tensor, p_y: Tensor) -> tuple[Tensor, Tensor]:
        """Terms in p_y alone: value and D_y of each row and head."""
        value, slope = torch.zeros_like(p_y), torch.zeros_like(p_y)
        if self._log is not None:
            weight = -self._log.expand_as(p_y)
            focal = [h for h in self._focal if self.recipes[h].log]
            if focal:
                weight = weight.clone()
            for h in focal:
                weight[:, :, h] *= (1 - p_y[:, :, h]).clamp_min(0) ** self.recipes[h].gamma
            slope += weight
            value += weight * log_y
        if self._power is not None:
            inner = torch.addcmul(self._shift, self._sign, torch.maximum(p_y, self._floor))
            powered = inner**self._exponent
            value += self._power * (self._top - self._sign * powered / self._exponent)
            # Below the floor the term is constant; without one p_y > 0 changes nothing.
            slope -= self._power * (p_y > self._floor) * p_y * powered / inner
        if self._exponential is not None:
            decayed = self._exponential * torch.exp(-p_y / self._scale)
            value += decayed
            slope -= decayed * p_y / self._scale
        return value, slope

    def _dense(
        self,
        log_p: Tensor,
        p: Tensor,
        y: Tensor,
        value: Tensor,
        slope: Tensor,
        D: Tensor,
        memory: Sequence[tuple[Tensor, Tensor]],
    ) -> None:
        """Terms in every p_k: add to the value, to D_y (`slope`) and to D of the dense heads."""
        for h, (t, rows) in zip(self.early, memory, strict=True):
            own = D[:, :, h - self.dense]
            value[:, :, h] += self._early(self.recipes[h], p[:, :, h], t, rows, own)
        if self._reversed < self._reversed_end:
            part = slice(self._reversed, self._reversed_end)
            own = D[:, :, self._reversed - self.dense : self._reversed_end - self.dense]
            self._reverse_entropy(
                p[:, :, part], y[:, :, part], value[:, :, part], slope[:, :, part], own
            )
        if self.normal < len(self.recipes):
            own = D[:, :, self.normal - self.dense :]
            self._normalised(log_p, p, y, value, slope, own)
        for h in self._entropy:
            own = D[:, :, h - self.dense]
            value[:, :, h] += self._unevenness(self.recipes[h], p[:, :, h], own)

    def _reverse_entropy(
        self, p: Tensor, y: Tensor, value: Tensor, slope: Tensor, D: Tensor
    ) -> None:
        """Σ_{k≠y} p_k with p floored: constant where p_k is below the floor."""
        floored = p.clamp_min(_REVERSE_FLOOR)
        value += self._reverse * (floored.sum(dim=-1) - floored.gather(-1, y).squeeze(-1))
        kept = self._reverse[:, None] * p * (p > _REVERSE_FLOOR)
        slope -= kept.gather(-1, y).squeeze(-1)
        D += kept

    def _normalised(
        self, log_p: Tensor, p: Tensor, y: Tensor, value: Tensor, slope: Tensor, D: Tensor
    ) -> None:
        """NCE and NFL: F(y) / Σ_k F(k), F(k) = -w_k log p_k, w_k = (1 - p_k)^γ held fixed.

        NNCE and NNFL: 1 - (A - F(y)) / Σ_k (A - F(k)), with p floored and A the F of the floor.
        """
        first, floored = self.normal, self.floored
        log_p, y = log_p[:, :, first:], y[:, :, first:]
        w = None
        for h in self._focal:
            if h >= first:
                w = torch.ones_like(log_p) if w is None else w
                w[:, :, h - first] = (1 - p[:, :, h]).clamp_min(0) ** self.recipes[h].gamma
        weighted = log_p if w is None else w * log_p
        one = 1 if w is None else w.gather(-1, y).squeeze(-1)
        sums = weighted.sum(dim=-1)
        active = self._normalized * weighted.gather(-1, y).squeeze(-1) / sums
        value[:, :, first:] += active
        slope[:, :, first:] += self._normalized * one / sums
        own = (-active / sums)[..., None].expand_as(log_p).clone()
        if floored < len(self.recipes):
            last = floored - first
            log_p, y = log_p[:, :, last:], y[:, :, last:]
            above = log_p > self._lowest
            log_p = torch.maximum(log_p, self._lowest)
            gap = self._offset + (log_p if w is None else w[:, :, last:] * log_p)
            sums = gap.sum(dim=-1)
            share = self._negative * gap.gather(-1, y).squeeze(-1) / sums
            value[:, :, floored:] += self._negative - share
            one = above if w is None else above * w[:, :, last:]
            moved = one.gather(-1, y).squeeze(-1)
            slope[:, :, floored:] -= self._negative * moved / sums
            own[:, :, last:] += above * (share / sums)[..., None]
        D += own if w is None else own.mul_(w)

    @staticmethod
    def _unevenness(recipe: Recipe, p: Tensor, D: Tensor) -> Tensor:
        """The term log K + Σ_c m_c log m_c, m the mean prediction; the same for each row."""
        mean = p.mean(dim=1, keepdim=True)
        log_mean = mean.clamp_min(recipe.min_prob).log()
        D += recipe.entropy * p * log_mean
        return recipe.entropy * (math.log(p.shape[-1]) + (mean * log_mean).sum(dim=-1))

    @staticmethod
    def _early(recipe: Recipe, p: Tensor, t: Tensor, rows: Tensor, D: Tensor) -> Tensor:
        """The term log(1 - <t, p>), after the memory t of these rows has taken in their p."""
        clamped = p.clamp(_ELR_FLOOR, 1 - _ELR_FLOOR)
        seeds = torch.arange(len(t), device=t.device)[:, None]
        new = recipe.memory * t[seeds, rows]
        new += (1 - recipe.memory) * (clamped / clamped.sum(dim=-1, keepdim=True))
        t[seeds, rows] = new
        left = 1 - (new * clamped).sum(dim=-1)
        D -= recipe.early * (clamped == p) * new * p / left[..., None]
        return recipe.early * left.log()

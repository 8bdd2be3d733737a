"""The fifteen losses as sums of a few terms.

Notation: z logits, p = softmax(z), y the given label; every loss is averaged over the batch. What
each term is, and its gradient, is in `wann_core.methods.probes.losses.terms`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wann_core.errors import WannError

# -log of the 1e-4 that stands for the zeros of a one-hot label.
_RCE = -math.log(1e-4)


@dataclass(frozen=True)
class CustomLoss:
    """A registered loss under its parameters; see `registry.register_loss`.

    Attributes
    ----------
    name : str
    function : callable
        `function(logits, labels, **parameters)`, of torch tensors.
    parameters : dict of str to float
    """

    name: str
    function: Callable[..., Any]
    parameters: dict[str, float]


@dataclass(frozen=True)
class Recipe:
    """Weights and constants of a loss's terms; a term of weight 0 is absent.

    Attributes
    ----------
    log : float
        Weight of -(1 - p_y)^gamma log p_y.
    normalized : float
        Weight of the same divided by its sum over all labels (Ma et al., ICML 2020).
    negative : float
        Weight of the normalized negative loss (Ye et al., NeurIPS 2023).
    gamma : float
        Focusing exponent of these three.
    min_prob : float
        Floor of p in the negative term and in `entropy`.
    reverse : float
        Weight of Σ_{k≠y} p_k, with p floored at 1e-7.
    power : float
        Weight of sign · ((shift + sign)^exponent - (shift + sign · p_y)^exponent) / exponent.
    shift, sign, exponent : float
        Constants of that term; under `exponent` 1 it is 1 - p_y.
    floor : float
        p_y below it counts as this much, in the power term.
    exponential : float
        Weight of exp(-p_y / scale).
    scale : float
    early : float
        Weight of log(1 - <t, p>), t being the sample's running prediction.
    memory : float
        Share of t that each visit keeps.
    entropy : float
        Weight of log K + Σ_c m_c log m_c, m being the mean prediction of the batch.
    l1 : float
        Weight of the sum of absolute values of the layer's weight and bias.
    custom : CustomLoss or None
        A registered loss, which torch differentiates; it is added to the terms above.
    """

    log: float = 0.0
    normalized: float = 0.0
    negative: float = 0.0
    gamma: float = 0.0
    min_prob: float = 1e-7
    reverse: float = 0.0
    power: float = 0.0
    shift: float = 1.0
    sign: float = 1.0
    exponent: float = 1.0
    floor: float = 0.0
    exponential: float = 0.0
    scale: float = 1.0
    early: float = 0.0
    memory: float = 0.0
    entropy: float = 0.0
    l1: float = 0.0
    custom: CustomLoss | None = None


def ce() -> Recipe:
    """Cross entropy: -log p_y."""
    return Recipe(log=1)


def fl(gamma: float) -> Recipe:
    """Focal loss: -(1 - p_y)^γ log p_y, the factor held fixed. Lin et al., ICCV 2017."""
    return Recipe(log=1, gamma=gamma)


def mae() -> Recipe:
    """Mean absolute error: 1 - p_y. Ghosh, Kumar and Sastry, AAAI 2017."""
    return Recipe(power=1)


def gce(q: float) -> Recipe:
    """Generalized cross entropy: (1 - p_y^q) / q. Zhang and Sabuncu, NeurIPS 2018."""
    return Recipe(power=1, shift=0, exponent=q, floor=1e-7)


def sce(alpha: float, beta: float) -> Recipe:
    """Symmetric cross entropy: α CE + β RCE, RCE ≈ 9.21 (1 - p_y). Wang et al., ICCV 2019."""
    return Recipe(log=alpha, reverse=beta * _RCE)


def nce_mae(alpha: float, beta: float) -> Recipe:
    """Active and passive: α NCE + β MAE. Ma et al., ICML 2020."""
    return Recipe(normalized=alpha, power=beta)


def nce_rce(alpha: float, beta: float) -> Recipe:
    """Active and passive: α NCE + β RCE. Ma et al., ICML 2020."""
    return Recipe(normalized=alpha, reverse=beta * _RCE)


def nfl_rce(alpha: float, beta: float, gamma: float) -> Recipe:
    """Active and passive: α NFL + β RCE, the focal factors held fixed. Ma et al., ICML 2020."""
    return Recipe(normalized=alpha, gamma=gamma, reverse=beta * _RCE)


def nce_agce(alpha: float, beta: float, a: float, q: float) -> Recipe:
    """α NCE + β AGCE, AGCE = ((a + 1)^q - (a + p_y)^q) / q. Zhou et al., ICML 2021."""
    return Recipe(normalized=alpha, power=beta, shift=a, exponent=q)


def nce_aul(alpha: float, beta: float, a: float, q: float) -> Recipe:
    """α NCE + β AUL, AUL = ((a - p_y)^q - (a - 1)^q) / q, a > 1. Zhou et al., ICML 2021."""
    return Recipe(normalized=alpha, power=beta, shift=a, sign=-1, exponent=q)


def nce_ael(alpha: float, beta: float, a: float) -> Recipe:
    """α NCE + β AEL, AEL = exp(-p_y / a). Zhou et al., ICML 2021."""
    return Recipe(normalized=alpha, exponential=beta, scale=a)


def anl_ce(alpha: float, beta: float, delta: float, min_prob: float) -> Recipe:
    """Active negative loss: α NCE + β NNCE + δ L1. Ye et al., NeurIPS 2023."""
    return Recipe(normalized=alpha, negative=beta, l1=delta, min_prob=min_prob)


def anl_fl(alpha: float, beta: float, delta: float, min_prob: float, gamma: float) -> Recipe:
    """Active negative loss: α NFL + β NNFL + δ L1. Ye et al., NeurIPS 2023."""
    return Recipe(normalized=alpha, negative=beta, l1=delta, min_prob=min_prob, gamma=gamma)


def anl_ce_er(alpha: float, beta: float, delta: float, lamb: float, min_prob: float) -> Recipe:
    """ANL-CE + λ (log K + Σ_c m_c log m_c), m the batch's mean prediction.

    The entropy-regularised variant of the authors' code; Ye et al., arXiv 2412.02373.
    """
    return Recipe(normalized=alpha, negative=beta, l1=delta, entropy=lamb, min_prob=min_prob)


def elr(beta: float, lambda_: float) -> Recipe:
    """Early-learning regularization: CE + λ log(1 - <t, p>). Liu et al., NeurIPS 2020.

    t ← β t + (1 - β) p at each visit of the sample, from 0, without gradient.
    """
    return Recipe(log=1, early=lambda_, memory=beta)


def check_aul(values: dict[str, float]) -> None:
    """Refuse parameters of nce_aul under which a power of a negative number would be taken."""
    if values["a"] <= 1:
        raise WannError(f"`a` of nce_aul must be above 1, got {values['a']}.", "loss_parameters")


def check_elr(values: dict[str, float]) -> None:
    """Refuse parameters of elr under which its running prediction is none."""
    if values["beta"] > 1:
        raise WannError(
            f"`beta` of elr must be between 0 and 1, got {values['beta']}.", "loss_parameters"
        )

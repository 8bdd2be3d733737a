"""The fifteen losses as sums of a few terms, and their published parameters.

Notation: z logits, p = softmax(z), y the given label; every loss is averaged over the batch. What
each term is, and its gradient, is in `wann_core.methods.probes.terms`.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from wann_core.errors import WannError, check_choice, check_number

FAMILIES = ("mnist", "cifar10", "cifar10_asym", "cifar100")
# -log of the 1e-4 that stands for the zeros of a one-hot label.
_RCE = -math.log(1e-4)


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
    """Early-learning regularisation: CE + λ log(1 - <t, p>). Liu et al., NeurIPS 2020.

    t ← β t + (1 - β) p at each visit of the sample, from 0, without gradient.
    """
    return Recipe(log=1, early=lambda_, memory=beta)


RECIPES: dict[str, Callable[..., Recipe]] = {
    made.__name__: made
    for made in (
        ce,
        fl,
        mae,
        gce,
        sce,
        nce_mae,
        nce_rce,
        nfl_rce,
        nce_agce,
        nce_aul,
        nce_ael,
        anl_ce,
        anl_fl,
        anl_ce_er,
        elr,
    )
}
LOSSES = tuple(RECIPES)

# (lowest, highest) of what a parameter may be; what is not named here is a weight, at least 0.
_RANGES = {
    "q": (1e-3, 100.0),
    "a": (1e-3, 1e6),
    "gamma": (0.0, 100.0),
    "min_prob": (1e-30, 0.1),
}


class LossParameters(NamedTuple):
    """Parameters of a loss.

    Attributes
    ----------
    values : dict
        By their published names.
    family : str
        Data set family that they were published for; where none were published for the family
        asked, 'cifar10'.
    """

    values: dict[str, float]
    family: str


def family_of(dataset: str) -> str:
    """The data set family whose parameters serve a data set.

    Examples
    --------
    >>> family_of("cifar100-n/noisy_label"), family_of("dermamnist"), family_of("digits")
    ('cifar100', 'cifar10', 'cifar10')
    """
    if dataset.startswith("cifar100"):
        return "cifar100"
    return "mnist" if dataset == "mnist" else "cifar10"


@cache
def _published() -> dict[str, dict[str, dict[str, float] | None]]:
    text = Path(__file__).with_name("parameters.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def loss_parameters(
    name: str, family: str, overrides: Mapping[str, float] | None = None
) -> LossParameters:
    """The published parameters of a loss, with some replaced.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    family : {'mnist', 'cifar10', 'cifar10_asym', 'cifar100'}
        'cifar10_asym' differs from 'cifar10' under elr only.
    overrides : mapping, optional
        Values by parameter name.

    Returns
    -------
    LossParameters

    Raises
    ------
    WannError
        If a name is unknown or a value out of range.

    Examples
    --------
    >>> loss_parameters("elr", "mnist")
    LossParameters(values={'beta': 0.7, 'lambda': 3}, family='cifar10')
    """
    check_choice("loss_function", name, LOSSES)
    check_choice("family", family, FAMILIES)
    published = _published()[name]
    source = family if published.get(family) is not None else "cifar10"
    values = dict(published[source] or {})
    for key, value in (overrides or {}).items():
        if key not in values:
            known = ", ".join(values) or "none"
            raise WannError(
                f"loss {name!r} has the parameters {known}, not {key!r}.", "loss_parameters"
            )
        low, high = _RANGES.get(key, (0.0, 1e6))
        check_number(key, value, low, high)
        values[key] = value
    if name == "nce_aul" and values["a"] <= 1:
        raise WannError(f"`a` of nce_aul must be above 1, got {values['a']}.", "loss_parameters")
    if name == "elr" and values["beta"] > 1:
        raise WannError(
            f"`beta` of elr must be between 0 and 1, got {values['beta']}.", "loss_parameters"
        )
    return LossParameters(values, source)


def recipe(name: str, parameters: Mapping[str, float]) -> Recipe:
    """The recipe of a loss under parameters as `loss_parameters` gives them."""
    arguments = {"lambda_" if key == "lambda" else key: v for key, v in parameters.items()}
    return RECIPES[name](**arguments)

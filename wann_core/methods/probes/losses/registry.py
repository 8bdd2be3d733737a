"""All losses of linear probes, as scenarios, plans, commands and pages know them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from wann_core.errors import WannError, check_choice, check_number
from wann_core.methods.probes.losses import recipes
from wann_core.methods.probes.losses.recipes import CustomLoss, Recipe
from wann_core.registry import Entry, Names, Registry, check_name

FAMILIES = ("mnist", "cifar10", "cifar10_asym", "cifar100")
# (lowest, highest) of what a parameter may be; what is not named here is a weight, at least 0.
_RANGES = {
    "q": (1e-3, 100.0),
    "a": (1e-3, 1e6),
    "gamma": (0.0, 100.0),
    "min_prob": (1e-30, 0.1),
}
_WEIGHT, _ANY = (0.0, 1e6), (-1e12, 1e12)


@dataclass(frozen=True, kw_only=True)
class Loss(Entry):
    """A loss of linear probes.

    Attributes
    ----------
    make : callable
        `make(**parameters)` returns its recipe.
    parameters : dict of str to float, or None
        Its parameters and what they are by default; None for a loss whose parameters are published
        by data set family, in parameters.json.
    check : callable
        Refuses parameters that do not suit each other.
    chosen : bool
        Whether the Probes page offers it chosen.
    """

    make: Callable[..., Recipe]
    parameters: Mapping[str, float] | None = None
    check: Callable[[dict[str, float]], None] = field(default=lambda values: None)
    chosen: bool = False


def _built_in(make: Callable[..., Recipe], title: str, reference: str = "", **more: Any) -> Loss:
    return Loss(name=make.__name__, make=make, title=title, reference=reference, **more)


_GHOSH, _LIN = "Ghosh, Kumar and Sastry, AAAI 2017", "Lin et al., ICCV 2017"
_MA, _ZHOU, _YE = "Ma et al., ICML 2020", "Zhou et al., ICML 2021", "Ye et al., NeurIPS 2023"
ALL_LOSSES: Registry[Loss] = Registry(
    "loss",
    (
        _built_in(recipes.ce, "cross entropy", chosen=True),
        _built_in(recipes.fl, "focal loss", _LIN),
        _built_in(recipes.mae, "mean absolute error", _GHOSH),
        _built_in(
            recipes.gce,
            "generalized cross entropy",
            "Zhang and Sabuncu, NeurIPS 2018",
            chosen=True,
        ),
        _built_in(recipes.sce, "symmetric cross entropy", "Wang et al., ICCV 2019"),
        _built_in(recipes.nce_mae, "normalized ce + mae", _MA),
        _built_in(recipes.nce_rce, "normalized ce + reverse ce", _MA),
        _built_in(recipes.nfl_rce, "normalized focal + reverse ce", _MA),
        _built_in(recipes.nce_agce, "normalized ce + asymmetric gce", _ZHOU),
        _built_in(
            recipes.nce_aul, "normalized ce + asymmetric unhinged", _ZHOU, check=recipes.check_aul
        ),
        _built_in(recipes.nce_ael, "normalized ce + asymmetric exponential", _ZHOU),
        _built_in(recipes.anl_ce, "active negative loss with ce", _YE, chosen=True),
        _built_in(recipes.anl_fl, "active negative loss with focal", _YE),
        _built_in(recipes.anl_ce_er, "anl_ce, entropy-regularized", "Ye et al., arXiv 2412.02373"),
        _built_in(
            recipes.elr,
            "early-learning regularization",
            "Liu et al., NeurIPS 2020",
            check=recipes.check_elr,
            chosen=True,
        ),
    ),
    "method",
)
LOSSES = Names(ALL_LOSSES)


def register_loss(
    name: str,
    loss: Callable[..., Any],
    *,
    parameters: Mapping[str, float] | None = None,
    title: str | None = None,
    reference: str = "",
) -> None:
    """Register a loss for scenarios, plans, the command line and every page.

    Linear probes train under it as under the built-in ones; torch differentiates it.

    Parameters
    ----------
    name : str
        As `Scenario.method` names the probe.
    loss : callable
        `loss(logits, labels, **parameters)` returns the value of each row, shape (B,), for logits
        of shape (B, C) and class ids of shape (B,), all torch tensors. It must be made of what
        torch can differentiate; the mean over the rows is what training lowers.
    parameters : mapping of str to float, optional
        The loss's own parameters and what they are unless `loss_parameters` replaces them.
    title : str, optional
        As pages show it; by default the name.
    reference : str
        The publication that it is from.

    Raises
    ------
    WannError
        If the name cannot be one or is taken, or a parameter is not a number.

    Examples
    --------
    >>> def squared(logits, labels, scale):
    ...     wrong = 1 - logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
    ...     return scale * wrong**2
    >>> register_loss("squared", squared, parameters={"scale": 2.0})
    >>> loss_parameters("squared", "cifar10").values
    {'scale': 2.0}
    >>> ALL_LOSSES.remove("squared")
    """
    refuse_vote_name(name)
    values = dict(parameters or {})
    for key, value in values.items():
        check_number(str(key), value, *_ANY)

    def make(**replaced: float) -> Recipe:
        return Recipe(custom=CustomLoss(name, loss, replaced))

    title = name if title is None else title
    ALL_LOSSES.add(Loss(name=name, title=title, reference=reference, make=make, parameters=values))


def refuse_vote_name(name: str) -> None:
    """Refuse a name that would read as kNN with some k."""
    if str(name).startswith("kNN-"):
        raise WannError(f"names that begin with kNN- are those of kNN, got {name!r}.", "method")


class LossParameters(NamedTuple):
    """Parameters of a loss.

    Attributes
    ----------
    values : dict
        By their published names.
    family : str
        Data set family that they were published for; where none were published for the family
        asked, 'cifar10'. '' for a registered loss, whose parameters are its own.
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
    """Return the published parameters of a loss, with some replaced.

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
    check_name("loss_function", name, ALL_LOSSES)
    check_choice("family", family, FAMILIES)
    loss, source = ALL_LOSSES[name], ""
    if loss.parameters is not None:
        values = dict(loss.parameters)
    else:
        published = _published()[name]
        source = family if published.get(family) is not None else "cifar10"
        values = dict(published[source] or {})
    for key, value in (overrides or {}).items():
        if key not in values:
            known = ", ".join(values) or "none"
            raise WannError(
                f"loss {name!r} has the parameters {known}, not {key!r}.", "loss_parameters"
            )
        low, high = _ANY if loss.digest else _RANGES.get(key, _WEIGHT)
        check_number(key, value, low, high)
        values[key] = value
    loss.check(values)
    return LossParameters(values, source)


def recipe(name: str, parameters: Mapping[str, float]) -> Recipe:
    """The recipe of a loss under parameters as `loss_parameters` gives them."""
    loss = ALL_LOSSES[name]
    if loss.digest:
        return loss.make(**parameters)
    arguments = {"lambda_" if key == "lambda" else key: v for key, v in parameters.items()}
    return loss.make(**arguments)

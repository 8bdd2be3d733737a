"""Losses and linear probes, under the name by which earlier versions exported them."""

from wann_core.methods.probes import (
    LOSSES,
    LossParameters,
    ProbeSettings,
    evaluate_loss,
    family_of,
    loss_parameters,
)
from wann_core.methods.registry import LOGISTIC, TRAINED

__all__ = [
    "LOGISTIC",
    "LOSSES",
    "TRAINED",
    "LossParameters",
    "ProbeSettings",
    "evaluate_loss",
    "family_of",
    "loss_parameters",
]

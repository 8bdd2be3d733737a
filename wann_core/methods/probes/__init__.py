"""Linear probes under robust losses, and logistic regression.

torch is imported by the functions that need it, not by this package.
"""

from wann_core.methods.probes.losses.evaluate import evaluate_loss
from wann_core.methods.probes.losses.registry import (
    LOSSES,
    LossParameters,
    family_of,
    loss_parameters,
)
from wann_core.methods.probes.settings import ProbeSettings

__all__ = [
    "LOSSES",
    "LossParameters",
    "ProbeSettings",
    "evaluate_loss",
    "family_of",
    "loss_parameters",
]

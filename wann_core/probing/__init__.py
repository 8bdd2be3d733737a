"""The rivals of WANN on the same embeddings: linear probes under robust losses, and their peers.

torch is imported by the functions that need it, not by this package.
"""

from wann_core.probing.evaluate import evaluate_loss
from wann_core.probing.recipes import LOSSES, LossParameters, family_of, loss_parameters

__all__ = ["LOSSES", "LossParameters", "evaluate_loss", "family_of", "loss_parameters"]

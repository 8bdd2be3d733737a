"""WANN and its rivals on frozen embeddings with noisy labels: the engine."""

from wann_core.errors import WannError
from wann_core.experiments.grid import grid, run_all
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.run import classify, prepare, run
from wann_core.experiments.scenario import METHODS, Scenario
from wann_core.methods.classifiers import ANNClassifier, KNNClassifier, WANNClassifier
from wann_core.methods.metrics import Metrics, wilson_interval
from wann_core.methods.voting import adaptive_k, vote, vote_shares
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.patterns import NoisyLabels, add_noise
from wann_core.version import __version__

__all__ = [
    "METHODS",
    "ANNClassifier",
    "KNNClassifier",
    "Metrics",
    "NeighborGraph",
    "NoisyLabels",
    "PreparedData",
    "Report",
    "Scenario",
    "WANNClassifier",
    "WannError",
    "__version__",
    "adaptive_k",
    "add_noise",
    "classify",
    "grid",
    "prepare",
    "run",
    "run_all",
    "vote",
    "vote_shares",
    "wilson_interval",
]

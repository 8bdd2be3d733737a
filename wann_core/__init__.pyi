from wann_core import audit, datasets
from wann_core.audit.annotators.consensus import Consensus, consensus
from wann_core.audit.arrays import audit_labels, find_outliers
from wann_core.audit.estimator import LabelAuditor
from wann_core.audit.issues.listing import list_issues
from wann_core.audit.learning.co_teaching import CoTeachingClassifier
from wann_core.audit.learning.posterior_logistic import PosteriorLogisticRegression
from wann_core.audit.metadata import doubt_by_metadata
from wann_core.audit.recommending.believed_votes import BelievedNeighborsClassifier, vote_agreement
from wann_core.audit.recommending.recommendation import Recommendation, recommend
from wann_core.audit.result import Audit
from wann_core.audit.reviewing.known_flips import KnownFlips, known_flips
from wann_core.audit.reviewing.next_labels import next_to_label
from wann_core.audit.reviewing.reviewed_noise import ReviewedNoise, noise_after_review, sample_order
from wann_core.datasets.dataset import Dataset, Split
from wann_core.embedding.backbones import load_backbone
from wann_core.embedding.embed import embed
from wann_core.errors import WannError
from wann_core.experiments.grid import grid, run_all
from wann_core.experiments.predict import predict
from wann_core.experiments.prepare import prepare
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.probe_runs import TrainedReport
from wann_core.experiments.run import classify, run
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.sweep import run_sweep
from wann_core.methods.classifiers import ANNClassifier, KNNClassifier, WANNClassifier
from wann_core.methods.metrics import Metrics, wilson_interval
from wann_core.methods.probes.losses.evaluate import evaluate_loss
from wann_core.methods.probes.losses.registry import LOSSES, loss_parameters, register_loss
from wann_core.methods.probes.settings import ProbeSettings
from wann_core.methods.registry import METHODS, TRAINED, register_method
from wann_core.methods.voting import adaptive_k, vote, vote_shares
from wann_core.neighbors.cluster import sharded_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.known_errors import flip_for_practice
from wann_core.noise.patterns import NoisyLabels, add_noise
from wann_core.noise.rate import NoiseEstimate, estimate_noise
from wann_core.noise.registry import PATTERNS, register_noise
from wann_core.paths import Roots
from wann_core.plugins import load_plugins
from wann_core.review.corrections import Corrected, corrected
from wann_core.review.exports.database import write_cleaned
from wann_core.review.ledger import Ledger, ledger_of
from wann_core.review.verdict import Verdict
from wann_core.version import __version__

Prepared = PreparedData

__all__ = [
    "LOSSES",
    "METHODS",
    "PATTERNS",
    "TRAINED",
    "ANNClassifier",
    "Audit",
    "BelievedNeighborsClassifier",
    "CoTeachingClassifier",
    "Consensus",
    "Corrected",
    "Dataset",
    "KNNClassifier",
    "KnownFlips",
    "LabelAuditor",
    "Ledger",
    "Metrics",
    "NeighborGraph",
    "NoiseEstimate",
    "NoisyLabels",
    "PosteriorLogisticRegression",
    "PreparedData",
    "ProbeSettings",
    "Recommendation",
    "Report",
    "ReviewedNoise",
    "Roots",
    "Scenario",
    "Split",
    "TrainedReport",
    "Verdict",
    "WANNClassifier",
    "WannError",
    "__version__",
    "adaptive_k",
    "add_noise",
    "audit",
    "audit_labels",
    "classify",
    "consensus",
    "corrected",
    "datasets",
    "doubt_by_metadata",
    "embed",
    "estimate_noise",
    "evaluate_loss",
    "find_outliers",
    "flip_for_practice",
    "grid",
    "known_flips",
    "ledger_of",
    "list_issues",
    "load_backbone",
    "load_plugins",
    "loss_parameters",
    "next_to_label",
    "noise_after_review",
    "predict",
    "prepare",
    "recommend",
    "register_loss",
    "register_method",
    "register_noise",
    "run",
    "run_all",
    "run_sweep",
    "sample_order",
    "sharded_graph",
    "vote",
    "vote_agreement",
    "vote_shares",
    "wilson_interval",
    "write_cleaned",
]

"""WANN and its rivals on frozen embeddings with noisy labels: the engine.

Names are imported when they are first used, so that `import wann_core` costs next to nothing.
"""

import importlib
from typing import Any

from wann_core.version import __version__ as __version__

# What the documentation teaches, and where it is defined; `__init__.pyi` repeats it for type
# checkers.
_HOMES = {
    "ANNClassifier": "wann_core.methods.classifiers",
    "Audit": "wann_core.audit.result",
    "BelievedNeighborsClassifier": "wann_core.audit.recommending.believed_votes",
    "CoTeachingClassifier": "wann_core.audit.learning.co_teaching",
    "Consensus": "wann_core.audit.annotators.consensus",
    "Corrected": "wann_core.review.corrections",
    "Dataset": "wann_core.datasets.dataset",
    "KNNClassifier": "wann_core.methods.classifiers",
    "KnownFlips": "wann_core.audit.reviewing.known_flips",
    "LOSSES": "wann_core.methods.probes.losses.registry",
    "LabelAuditor": "wann_core.audit.estimator",
    "Ledger": "wann_core.review.ledger",
    "METHODS": "wann_core.methods.registry",
    "Metrics": "wann_core.methods.metrics",
    "NeighborGraph": "wann_core.neighbors.graph",
    "NoiseEstimate": "wann_core.noise.rate",
    "NoisyLabels": "wann_core.noise.patterns",
    "PATTERNS": "wann_core.noise.registry",
    "PosteriorLogisticRegression": "wann_core.audit.learning.posterior_logistic",
    "PreparedData": "wann_core.experiments.prepared",
    "ProbeSettings": "wann_core.methods.probes.settings",
    "Recommendation": "wann_core.audit.recommending.recommendation",
    "Report": "wann_core.experiments.prepared",
    "ReviewedNoise": "wann_core.audit.reviewing.reviewed_noise",
    "Roots": "wann_core.paths",
    "Scenario": "wann_core.experiments.scenario",
    "Split": "wann_core.datasets.dataset",
    "TRAINED": "wann_core.methods.registry",
    "TrainedReport": "wann_core.experiments.probe_runs",
    "Verdict": "wann_core.review.verdict",
    "WANNClassifier": "wann_core.methods.classifiers",
    "WannError": "wann_core.errors",
    "adaptive_k": "wann_core.methods.voting",
    "add_noise": "wann_core.noise.patterns",
    "audit_labels": "wann_core.audit.arrays",
    "classify": "wann_core.experiments.run",
    "consensus": "wann_core.audit.annotators.consensus",
    "corrected": "wann_core.review.corrections",
    "doubt_by_metadata": "wann_core.audit.metadata",
    "embed": "wann_core.embedding.embed",
    "estimate_noise": "wann_core.noise.rate",
    "evaluate_loss": "wann_core.methods.probes.losses.evaluate",
    "find_outliers": "wann_core.audit.arrays",
    "flip_for_practice": "wann_core.noise.known_errors",
    "grid": "wann_core.experiments.grid",
    "known_flips": "wann_core.audit.reviewing.known_flips",
    "ledger_of": "wann_core.review.ledger",
    "list_issues": "wann_core.audit.issues.listing",
    "load_backbone": "wann_core.embedding.backbones",
    "load_plugins": "wann_core.plugins",
    "loss_parameters": "wann_core.methods.probes.losses.registry",
    "next_to_label": "wann_core.audit.reviewing.next_labels",
    "noise_after_review": "wann_core.audit.reviewing.reviewed_noise",
    "predict": "wann_core.experiments.predict",
    "prepare": "wann_core.experiments.prepare",
    "recommend": "wann_core.audit.recommending.recommendation",
    "register_loss": "wann_core.methods.probes.losses.registry",
    "register_method": "wann_core.methods.registry",
    "register_noise": "wann_core.noise.registry",
    "run": "wann_core.experiments.run",
    "run_all": "wann_core.experiments.grid",
    "run_sweep": "wann_core.experiments.sweep",
    "sample_order": "wann_core.audit.reviewing.reviewed_noise",
    "sharded_graph": "wann_core.neighbors.cluster",
    "vote": "wann_core.methods.voting",
    "vote_agreement": "wann_core.audit.recommending.believed_votes",
    "vote_shares": "wann_core.methods.voting",
    "wilson_interval": "wann_core.methods.metrics",
    "write_cleaned": "wann_core.review.exports.database",
}
_PACKAGES = ("audit", "datasets")
# Names of earlier versions.
_FORMER = {"Prepared": "PreparedData"}

__all__ = sorted([*_HOMES, *_PACKAGES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"wann_core.{name}")
    name = _FORMER.get(name, name)
    if name not in _HOMES:
        raise AttributeError(f"module 'wann_core' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *_FORMER]

"""How far the number of wrong labels is to be trusted, and what is said of it."""

import numpy as np
import pytest

from tests.helpers.blobs import blobs, evidence
from wann_core import datasets
from wann_core.audit.arrays import audit_labels
from wann_core.audit.judging.trust import clusters, trust_of, warnings
from wann_core.neighbors.graph import NeighborGraph

EVEN = np.arange(1000) % 10


def patients(rows: int, inner: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of 40 patients, each of one label, four of them with a wrong one."""
    rng = np.random.RandomState(0)
    label = np.arange(40) % 4
    person = 1.2 * rng.randn(4, 16)[label] + rng.randn(40, 16)
    patient = np.repeat(np.arange(40), rows)
    X = (person[patient] + inner * rng.randn(len(patient), 16)).astype(np.float32)
    wrong = np.isin(patient, [0, 5, 10, 15])
    return X, np.where(wrong, (label[patient] + 1) % 4, label[patient]), patient


@pytest.mark.parametrize("rows", [6, 12, 60])
def test_near_copies_that_vote_for_each_other_are_named(rows: int) -> None:
    X, given, patient = patients(rows, 0.3)
    found = audit_labels(X, given, probe=False)
    assert found.noise.count < 0.1 * len(given)  # which are wrong
    assert found.evidence.clusters.count == 40 and found.evidence.clusters.share > 0.8
    (said,) = found.warnings
    assert "near-copies that vote for each other" in said and "40 separate clusters" in said
    assert "near-copies" in repr(found)
    assert audit_labels(X, given, groups=patient, probe=False).warnings == ()


@pytest.mark.parametrize("apart", [2.0, 4.0, 8.0])
def test_classes_far_apart_are_no_near_copies(apart: float) -> None:
    X, y = blobs(1200, apart=apart)
    graph = NeighborGraph.build(X, k=51)
    assert not clusters(graph.train_ids, y, 4).vote_for_themselves


def test_digits_are_no_near_copies() -> None:
    data = datasets.load("digits", "pixels")
    graph = NeighborGraph.build(np.concatenate([s.X for s in data.splits.values()]), k=51)
    labels = np.concatenate([s.y for s in data.splits.values()])
    assert clusters(graph.train_ids, labels, 10).share < 0.02


def test_mixed_labels_of_a_cluster_speak_against_each_other() -> None:
    X, _, patient = patients(12, 0.3)
    mixed = np.random.RandomState(1).randint(4, size=len(X))
    ids = NeighborGraph.build(X, k=51).train_ids
    assert clusters(ids, mixed, 4).count == 0
    assert clusters(ids, patient % 4, 4).count == 40


@pytest.mark.parametrize(
    ("agree", "rate", "verdict"),
    [
        (0.9, 0.6, "sound"),
        (0.5, 0.05, "sound"),
        (0.5, 0.3, "doubtful"),
        (0.343, 0.69, "doubtful"),
        (0.33, 0.69, "blind"),
        (0.2, 0.3, "doubtful"),
    ],
)
def test_verdicts(agree: float, rate: float, verdict: str) -> None:
    assert trust_of(agree, rate, EVEN, 10) == verdict
    found = evidence(*blobs(200, apart=8.0)).clusters
    said = warnings(verdict, agree, rate, found)  # type: ignore[arg-type]
    assert len(said) == (verdict != "sound")
    assert all(f"{100 * rate:.0f} %" in text and "not to be trusted" in text for text in said)

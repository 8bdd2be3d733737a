"""What each score says, and that no label speaks for itself."""

import dataclasses

import numpy as np
import pytest

from tests.helpers.blobs import N_CLASSES, blobs, evidence, noisy_blobs
from wann_core import WannError, add_noise
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.rows import labeled_rows
from wann_core.audit.label_audit import audit
from wann_core.audit.result import Audit
from wann_core.audit.scores import SCORES, score_labels
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.neighbors.graph import NeighborGraph
from wann_core.typing import Array

WITHOUT_PROBE = tuple(name for name in SCORES if name != "probe")


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit(noisy_blobs()[0])


@pytest.fixture(scope="module")
def wrong() -> Array:
    return noisy_blobs()[1]


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.4, 0.6])
def test_noise_alone_is_no_weak_embedding(ratio: float) -> None:
    X, y = blobs(1200, apart=4.0)
    flips = np.random.RandomState(0).rand(len(y)) < ratio
    given = np.where(flips, (y + 1 + np.arange(len(y)) % 3) % N_CLASSES, y)
    assert evidence(X, given).separates_classes


def test_an_embedding_without_classes_is_reported() -> None:
    _, y = blobs(600)
    blind = evidence(np.random.RandomState(1).randn(600, 8).astype(np.float32), y)
    assert not blind.separates_classes
    assert abs(blind.agreement) < 0.1 < 0.9 < evidence(*blobs(600, apart=8.0)).agreement
    assert blind.noise.rate > 0.5  # all labels are right


@pytest.mark.parametrize("name", SCORES)
def test_scores_find_wrong_labels(found: Audit, wrong: Array, name: str) -> None:
    score = score_labels(found.evidence, name)
    assert score.shape == wrong.shape
    assert score.min() >= 0 and score.max() <= 1
    # Of a right and a wrong label, the wrong one is the more doubtful nearly always.
    right = np.sort(score[~wrong])
    pairs = np.searchsorted(right, score[wrong], side="right")
    ties = pairs - np.searchsorted(right, score[wrong], side="left")
    assert 1 - np.mean(pairs - ties / 2) / len(right) > 0.95


def test_default_is_better_than_the_plain_vote(found: Audit, wrong: Array) -> None:
    def hits(name: str) -> int:
        return int(wrong[np.argsort(score_labels(found.evidence, name))[: wrong.sum()]].sum())

    assert hits("combined") >= hits("neighbors") >= hits("knn_share")
    assert hits("combined") > 0.9 * wrong.sum()


@pytest.mark.parametrize("row", [0, 17, 101])
def test_own_label_has_no_voice(row: int) -> None:
    X, labels = blobs(300)
    changed = labels.copy()
    changed[row] = (labels[row] + 1) % N_CLASSES
    before, after = evidence(X, labels), evidence(X, changed)
    np.testing.assert_array_equal(before.near_shares[row], after.near_shares[row])
    np.testing.assert_array_equal(before.wann_shares[row], after.wann_shares[row])
    assert before.shares[row].argmax() == after.shares[row].argmax()


def test_wann_shares_match_a_plain_loop() -> None:
    X, labels = blobs(90)
    made = evidence(X, labels)
    ids = made.ids
    for row in (0, 3, 50):
        votes = np.zeros(N_CLASSES)
        for j in ids[row]:
            others = [i for i in ids[j] if i != row]
            k = next(
                (
                    k
                    for k in range(11, 51, 2)
                    if np.bincount(labels[others[:k]]).argmax() == labels[j]
                ),
                51,
            )
            votes[labels[j]] += 1 / k
        np.testing.assert_allclose(made.wann_shares[row], votes / votes.sum())


def test_votes_match_plain_loops() -> None:
    X, labels = blobs(120)
    made = evidence(X, labels)
    knn, margin = score_labels(made, "knn_share"), score_labels(made, "simifeat_v")
    for row in (0, 60, 119):
        d, near = made.graph.train_distances[row].astype(float), labels[made.ids[row]]
        nearer = np.exp(-2 * (d / d[50]) ** 2)
        votes = np.bincount(near, weights=nearer, minlength=N_CLASSES)
        np.testing.assert_allclose(made.near_shares[row], votes / votes.sum())
        assert knn[row] == pytest.approx((near == labels[row]).mean())
        ten = np.bincount(near[:10], minlength=N_CLASSES) / 10
        rival = np.delete(ten, labels[row]).max()
        assert margin[row] == pytest.approx((1 + ten[labels[row]] - rival) / 2)


def test_simifeat_ranks_within_the_class() -> None:
    data, wrong = noisy_blobs()
    made = evidence(labeled_rows(data).X, data.train.y)
    score = score_labels(made, "simifeat_r")
    # What is below one half is what the estimate of the class takes for wrong.
    for c in range(N_CLASSES):
        own = data.train.y == c
        assert (score[own] < 0.5).mean() == pytest.approx(wrong[own].mean(), abs=0.05)


def test_second_fit_believes_doubtful_labels_less(found: Audit, wrong: Array) -> None:
    made = found.evidence
    assert made.probe is not None
    again = (made.shares - 0.25 * made.wann_shares) / 0.75
    np.testing.assert_allclose(again.sum(axis=1), 1, rtol=1e-5)
    everyone, given = np.arange(len(wrong)), found.rows.labels
    moved = again[everyone, given] - made.probe_shares[everyone, given]
    assert moved[wrong].mean() < 0 < moved[~wrong].mean()
    # Rows without weight are as good as not there.
    weights = np.where(wrong, 0.0, 1.0)
    trusted = np.flatnonzero(~wrong)
    held_out = made.probe.folds == 0
    alone = probe_of(made.probe, trusted)
    np.testing.assert_allclose(
        made.probe.probabilities(weights)[held_out & ~wrong],
        alone.probabilities()[alone.folds == 0],
        atol=0.02,
    )


def probe_of(probe: OutOfFold, rows: Array) -> OutOfFold:
    """The probe of some of the rows, in their old folds."""
    part = OutOfFold(probe.X[rows], probe.labels[rows], probe.n_classes, C=probe.C)
    part.folds = probe.folds[rows]
    return part


@pytest.mark.parametrize("name", WITHOUT_PROBE)
def test_order_of_the_rows_does_not_matter(name: str) -> None:
    X, labels = blobs(400)
    order = np.random.RandomState(1).permutation(len(X))
    straight = score_labels(evidence(X, labels), name)
    np.testing.assert_allclose(
        score_labels(evidence(X[order], labels[order]), name), straight[order]
    )


def test_out_of_fold_rows_are_judged_by_others_only() -> None:
    X, labels = blobs(200)
    fits = OutOfFold(X, labels, N_CLASSES, C=1.0)
    shares = fits.probabilities()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    # Rows of a fold with other labels change nothing for that fold.
    held_out = fits.folds == 2
    changed = np.where(held_out, (labels + 1) % N_CLASSES, labels)
    fits.labels = changed
    np.testing.assert_array_equal(fits.probabilities()[held_out], shares[held_out])


def test_out_of_fold_serves_rare_classes_and_says_when_it_cannot() -> None:
    X, labels = blobs(40)
    labels[:] = 0
    labels[:2], labels[2] = 1, 2
    shares = OutOfFold(X, labels, N_CLASSES, C=1.0).probabilities()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    labels[1] = 0
    with pytest.raises(WannError, match="two classes of at least two rows"):
        OutOfFold(X, labels, N_CLASSES)


def test_probe_of_few_wide_rows_is_that_of_all_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    X = (rng.normal(size=(60, 200)) + labels[:, None]).astype(np.float32)
    short = OutOfFold(X, labels, 3, C=1e-3)
    assert short.X.shape == (60, 60)
    monkeypatch.setattr("wann_core.methods.probes.out_of_fold.in_their_span", lambda X: X)
    whole = OutOfFold(X, labels, 3, C=1e-3)
    np.testing.assert_allclose(short.probabilities(), whole.probabilities(), atol=0.01)


def test_another_probe_makes_nothing_again_that_it_has_no_part_in(found: Audit) -> None:
    known = found.evidence
    assert known.probe is not None
    table = known.shares
    alone = known.with_probe(None)
    assert alone.discriminant_shares is known.discriminant_shares
    assert alone.wann_shares is known.wann_shares
    again = alone.with_probe(known.probe)
    np.testing.assert_array_equal(again.shares, table)
    fresh = dataclasses.replace(known, probe=None)
    np.testing.assert_array_equal(alone.shares, fresh.shares)


def test_a_probe_of_other_folds_brings_its_own_discriminant() -> None:
    X, y = blobs(200)
    alone = dataclasses.replace(evidence(X, y), X=X.astype(np.float32))
    folds = np.arange(len(y)) % 5
    probe = OutOfFold(X.astype(np.float32), y, N_CLASSES, folds=folds)
    made = alone.with_probe(probe)
    expected = dataclasses.replace(alone, folds=folds).discriminant_shares
    assert alone.discriminant_shares is not None
    np.testing.assert_array_equal(made.discriminant_shares, expected)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(("rows", "columns"), [(800, 200), (1000, 640)])
def test_few_rows_of_many_columns_are_counted(rows: int, columns: int, ratio: float) -> None:
    """As many rows a class as vote: a row's label is rarer around it, as it has no vote itself."""
    rng = np.random.default_rng(1)
    scale = (1 + np.arange(columns)) ** -0.5
    true = rng.integers(0, 10, rows)
    centers = 1.2 * rng.normal(size=(10, columns))
    X = ((centers[true] + rng.normal(size=(rows, columns))) * scale).astype(np.float32)
    given = add_noise(
        true, "sym", ratio, rng=np.random.RandomState(1), n_classes=10, draw="exact"
    ).labels
    found = Evidence(NeighborGraph.build(X, k=51), given, 10, X=X).noise
    assert abs(found.rate - ratio) < 0.03
    assert found.low <= (given != true).sum() <= found.high

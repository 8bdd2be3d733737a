"""The regression on soft labels, and the posterior that it makes."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.helpers.blobs import N_CLASSES, blobs
from wann_core import add_noise, datasets
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.groups import deal_by_group
from wann_core.audit.judging.shares import odds, with_mean_doubt
from wann_core.audit.judging.soft_labels import fits_soft_labels, soft_label_probabilities
from wann_core.methods.folds import deal_folds
from wann_core.methods.reduction import normalize
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.transition import Transition, mean_transition
from wann_core.typing import Array


def noisy(pattern: str, ratio: float, rows: int = 1500) -> tuple[Evidence, Array]:
    """Evidence of overlapping classes, and which labels are wrong."""
    X, y = blobs(rows, apart=3.0)
    given = add_noise(y, pattern, ratio, rng=np.random.RandomState(5), draw="exact").labels
    return Evidence(NeighborGraph.build(X, k=51), given, N_CLASSES, X=X), given != y


@pytest.mark.parametrize(("pattern", "ratio"), [("sym", 0.1), ("asym", 0.2)])
def test_it_ranks_better_and_says_as_many_as_are_estimated(pattern: str, ratio: float) -> None:
    digits = datasets.load("digits", "pixels").train
    X = normalize(digits.X[:1000], digits.X[:1], "zscore")[0]
    true = digits.y[:1000]
    given = add_noise(true, pattern, ratio, rng=np.random.RandomState(5), draw="exact").labels
    known, wrong = Evidence(NeighborGraph.build(X, k=51), given, 10, X=X), given != true

    def precision(table: Array) -> float:
        return float(average_precision_score(wrong, -odds(table, known.labels)))

    assert precision(known.posterior) > precision(known.first_posterior) + 0.002
    rows = np.arange(len(wrong))
    before, now = (1 - t[rows, known.labels] for t in (known.first_posterior, known.posterior))
    assert now.mean() == pytest.approx(known.noise.rate, abs=2e-3)
    # So the probabilities are nearer to what is wrong than those by the first shares.
    assert ((now - wrong) ** 2).mean() < ((before - wrong) ** 2).mean()
    np.testing.assert_allclose(np.asarray(known.posterior).sum(axis=1), 1)


def test_soft_labels_of_a_fold_do_not_speak_for_it() -> None:
    X, y = blobs(300)
    soft = np.random.RandomState(1).dirichlet(np.ones(N_CLASSES), 300)
    folds = deal_folds(y)
    held_out = folds == 3
    before = soft_label_probabilities(X, soft, folds)
    soft[held_out] = soft[held_out][:, ::-1]
    after = soft_label_probabilities(X, soft, folds)
    np.testing.assert_array_equal(after[held_out], before[held_out])
    assert np.abs(after[~held_out] - before[~held_out]).max() > 1e-3
    np.testing.assert_allclose(before.sum(axis=1), 1, rtol=1e-5)


def test_few_columns_get_a_weaker_penalty() -> None:
    X, y = blobs(150, apart=8.0)
    soft = np.full((150, N_CLASSES), 0.01, np.float32)
    soft[np.arange(150), y] = 0.97
    # Columns of little spread, as beside an outlier: under the first penalty all classes are alike.
    found = soft_label_probabilities(X / 20, soft, deal_folds(y))
    assert found[np.arange(150), y].mean() > 0.8


def test_progress_may_stop_it() -> None:
    X, y = blobs(200)

    def stop(done: float, total: float, text: str) -> None:
        assert text.startswith("regression on soft labels")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        soft_label_probabilities(X, np.eye(N_CLASSES)[y], deal_folds(y), stop)


def test_it_is_left_out_where_it_takes_minutes_or_groups_are_judged_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = {(50_000, 640, 10): True, (50_000, 640, 100): True, (20_000, 64, 257): False}
    shapes |= {(10_000_000, 640, 10): False, (200_000, 4096, 10): False}
    for (rows, columns, classes), served in shapes.items():
        X = np.broadcast_to(np.float32(0), (rows, columns))
        assert fits_soft_labels(X, classes) is served
    known, _ = noisy("sym", 0.2, rows=200)
    assert known.soft_label_shares is not None
    # Pairs of one label are judged as a whole.
    codes = np.argsort(np.argsort(known.labels, kind="stable"), kind="stable") // 2
    folds = deal_by_group(codes, known.labels)
    grouped = dataclasses.replace(known, groups=codes, folds=folds)
    monkeypatch.setattr("wann_core.audit.judging.evidence.fits_soft_labels", lambda *_: False)
    for one in (grouped, dataclasses.replace(known)):
        assert one.soft_label_shares is None
        assert one.shares is one.first_shares
        assert one.posterior is one.first_posterior


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.3, 1.0])
def test_a_power_sets_the_mean_doubt_and_keeps_the_order(rate: float) -> None:
    rng = np.random.RandomState(0)
    table, labels = rng.dirichlet(np.ones(5), 400), rng.randint(5, size=400)
    labels[::2] = table[::2].argmax(axis=1)
    found = with_mean_doubt(table, labels, rate)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    doubt = 1 - found[np.arange(400), labels].mean()
    within = [1 - p[np.arange(400), labels].mean() for p in (_power(table, 4), _power(table, 0.25))]
    assert doubt == pytest.approx(np.clip(rate, *within), abs=2e-3)
    before, after = odds(table, labels), odds(found, labels)
    np.testing.assert_array_equal(np.argsort(before), np.argsort(after))


def _power(table: Array, power: float) -> Array:
    raised = table**power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def test_what_one_reading_of_the_noise_misses_the_other_keeps() -> None:
    none = Transition(np.zeros(2), np.eye(2))
    seen = Transition(np.array([0.2, 0.4]), np.array([[0.8, 0.2], [0.4, 0.6]]))
    found = mean_transition(none, seen)
    np.testing.assert_allclose(found.table, [[0.9, 0.1], [0.2, 0.8]])
    assert mean_transition(none, Transition(seen.rates, None)).pairs is None

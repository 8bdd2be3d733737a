"""Co-teaching of two linear probes."""

import numpy as np
import pytest

from tests.helpers.blobs import blobs
from wann_core import CoTeachingClassifier, Scenario, WannError, run
from wann_core.audit.learning import co_teaching
from wann_core.audit.learning.co_teaching import small_losses
from wann_core.noise.patterns import add_noise
from wann_core.typing import Array


def noisy(ratio: float) -> tuple[Array, Array, Array, Array]:
    """Training rows, noisy labels, test rows and their true labels."""
    X, y = blobs(900, apart=3.0)
    rng = np.random.RandomState(3)
    given = add_noise(y[:300], "sym", ratio, rng=rng, draw="exact").labels
    return X[:300], given, X[300:], y[300:]


def test_the_smallest_losses_are_chosen_line_by_line() -> None:
    losses = np.array([[3.0, 1.0, 2.0, 0.0], [0.0, 5.0, 4.0, 6.0]])
    assert small_losses(losses, 0.5).tolist() == [[3, 1], [0, 2]]
    assert small_losses(losses, 0.0).tolist() == [[3], [0]]


def test_a_probe_learns_what_the_other_one_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    X, given, _, _ = noisy(0.4)
    for name, value in (("_STEPS", 1), ("_EPOCHS", 1), ("_BATCH", 300)):
        monkeypatch.setattr(co_teaching, name, value)
    monkeypatch.setattr(co_teaching, "small_losses", lambda *_: np.array([[0], [1]]))
    model = CoTeachingClassifier(forget_rate=0.4, random_state=5).fit(X, given)
    # The same seed deals the first weights and the batch.
    rng = np.random.default_rng(5)
    start = rng.uniform(-(8**-0.5), 8**-0.5, (9, 8)).astype(np.float32)
    order = rng.permutation(300)
    for probe, row in ((0, order[1]), (1, order[0])):
        step = model.coefficients_[probe] - start[:, 4 * probe : 4 * probe + 4]
        # The first step of Adam goes by its rate against the sign of the gradient: the given
        # class of that row gains where the row is positive.
        np.testing.assert_allclose(step[:8, given[row]], 1e-3 * np.sign(X[row]), rtol=1e-2)


@pytest.mark.parametrize("seed", [0, 1])
def test_forgetting_helps_under_heavy_noise_and_forgets_no_class(seed: int) -> None:
    X, given, new, true = noisy(0.4)
    found = CoTeachingClassifier(forget_rate=0.4, random_state=seed).fit(X, given)
    usual = CoTeachingClassifier(forget_rate=0, random_state=seed).fit(X, given)
    assert (found.predict(new) == true).mean() > (usual.predict(new) == true).mean() + 0.03


def test_the_forget_rate_is_the_estimated_share_of_wrong_labels() -> None:
    X, given, new, _ = noisy(0.3)
    found = CoTeachingClassifier().fit(X, given)
    assert found.forget_rate_ == pytest.approx(0.3, abs=0.08)
    again = CoTeachingClassifier().fit(X, given)
    np.testing.assert_array_equal(found.coefficients_, again.coefficients_)
    np.testing.assert_allclose(found.predict_proba(new).sum(axis=1), 1, atol=1e-5)


def test_it_is_a_method_of_scenarios_whose_seed_counts() -> None:
    base = Scenario(method="co_teaching", seed=1)
    assert base.canonical().seed == 1
    report = run(Scenario(method="co_teaching", num_subsamples=300))
    assert report.metrics.accuracy > 0.8 and np.isfinite(report.confidence).all()


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan"), "much", None])
def test_a_rate_that_is_none_is_refused(rate: object) -> None:
    with pytest.raises(WannError, match="`forget_rate` must be 'auto' or a number from 0"):
        CoTeachingClassifier(forget_rate=rate).fit(np.eye(4), [0, 1, 0, 1])  # type: ignore[arg-type]

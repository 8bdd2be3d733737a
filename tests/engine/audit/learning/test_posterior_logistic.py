"""Logistic regression on the audit's posterior."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.helpers.blobs import blobs
from wann_core import PosteriorLogisticRegression, Scenario, WannError, run
from wann_core.methods.probes.logistic import fit_logistic
from wann_core.methods.probes.softmax import fit_softmax, softmax_probabilities
from wann_core.noise.patterns import add_noise


def test_soft_labels_count_as_rows_of_each_class_do() -> None:
    X, y = blobs(400)
    others = np.random.RandomState(1).dirichlet(np.ones(4), 400)
    soft = (0.6 * np.eye(4)[y] + 0.4 * others).astype(np.float32)
    rows = np.arange(400)
    found = softmax_probabilities(X, fit_softmax(X, soft, rows, 4, 0.1))
    # Each row once for each class, weighing as much as the class is probable.
    each = LogisticRegression(C=0.1, max_iter=1000).fit(
        np.repeat(X, 4, axis=0), np.tile(np.arange(4), 400), sample_weight=soft.ravel()
    )
    np.testing.assert_allclose(found, each.predict_proba(X), atol=1e-2)
    hard = fit_softmax(X, np.eye(4, dtype=np.float32)[y], rows, 4, 0.1)
    np.testing.assert_allclose(hard, fit_softmax(X, y, rows, 4, 0.1), atol=1e-4)


def test_it_is_ahead_of_the_given_labels_where_wrong_ones_go_one_way() -> None:
    X, y = blobs(3000, apart=2.5)
    given = add_noise(y[:1500], "asym", 0.42, rng=np.random.RandomState(3), draw="exact").labels
    found = PosteriorLogisticRegression().fit(X[:1500], given)
    plain = fit_logistic(X[:1500], given, X[1500:]).predictions
    assert (found.predict(X[1500:]) == y[1500:]).mean() > (plain == y[1500:]).mean() + 0.02
    assert found.posterior_.shape == (1500, 4)
    own = found.posterior_[np.arange(1500), given]
    wrong = given != y[:1500]
    assert own[wrong].mean() < 0.5 < own[~wrong].mean()


def test_it_is_a_method_of_scenarios() -> None:
    noisy = {"num_subsamples": 400, "noise_pattern": "sym", "noise_ratio": 0.3}
    report = run(Scenario(method="logreg_posterior", **noisy))  # type: ignore[arg-type]
    assert report.metrics.accuracy > 0.8 and np.isfinite(report.confidence).all()


def test_one_class_is_refused() -> None:
    with pytest.raises(WannError, match="needs rows of two classes at least, got 5 rows of one"):
        PosteriorLogisticRegression().fit(np.eye(5), np.zeros(5))

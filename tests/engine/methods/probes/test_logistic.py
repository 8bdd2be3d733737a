import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from wann_core import PreparedData, Scenario, WannError, prepare
from wann_core.experiments.probe_runs import fit_prepared, run_trained
from wann_core.methods.probes.logistic import C_GRID
from wann_core.methods.registry import LOGISTIC

NOISY = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact")


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare(NOISY)


@pytest.mark.parametrize("method", LOGISTIC)
def test_is_scikit_learns_under_the_chosen_C(prepared: PreparedData, method: str) -> None:
    found = fit_prepared(prepared, method)
    assert max(found.cv_accuracy, key=lambda C: found.cv_accuracy[C]) == found.C
    X, y, weights = prepared.X_train, prepared.labels, np.ones(1200)
    if method == "logreg_reliability":
        weights = (1 / prepared.adaptive_k) / (1 / prepared.adaptive_k).mean()
    if method == "logreg_clean":
        kept = prepared.adaptive_k < 51
        X, y, weights = X[kept], y[kept], weights[kept]
        assert (y == prepared.clean_labels[kept]).mean() > (
            prepared.labels == prepared.clean_labels
        ).mean()
    assert found.rows == len(y)
    model = LogisticRegression(C=found.C, max_iter=5000, tol=1e-6).fit(X, y, sample_weight=weights)
    shares = model.predict_proba(prepared.X_test)
    assert (found.predictions == shares.argmax(axis=1)).mean() > 0.99
    assert np.abs(found.confidence - shares.max(axis=1)).mean() < 0.01


def test_C_is_chosen_on_noisy_labels_as_scikit_learn_would(prepared: PreparedData) -> None:
    found = fit_prepared(prepared, "logreg")
    order = np.random.RandomState(0).permutation(1200)
    X, y = prepared.X_train[order], prepared.labels[order]
    for C, accuracy in found.cv_accuracy.items():
        right = 0
        for train, held_out in StratifiedKFold(5).split(X, y):
            model = LogisticRegression(C=C, max_iter=2000).fit(X[train], y[train])
            right += (model.predict(X[held_out]) == y[held_out]).sum()
        assert right / 1200 == pytest.approx(accuracy, abs=0.005)
    tried = list(found.cv_accuracy)
    assert tried == list(C_GRID[: len(tried)])
    scores = list(found.cv_accuracy.values())
    assert scores[:-1] == sorted(scores[:-1])  # it went on as long as that helped
    assert len(tried) == len(C_GRID) or scores[-1] < scores[-2]


def changed(prepared: PreparedData, labels: Any) -> PreparedData:
    return dataclasses.replace(prepared, labels=np.asarray(labels))


def test_classes_too_rare_for_the_folds_sit_out_the_choice(prepared: PreparedData) -> None:
    labels = np.arange(1200) % 2
    labels[:3] = 2
    found = fit_prepared(changed(prepared, labels), "logreg")
    assert found.cv_accuracy
    assert found.rows == 1200
    few = dataclasses.replace(
        prepared, X_train=prepared.X_train[:6], labels=np.array([0, 1, 2, 0, 1, 2])
    )
    assert fit_prepared(few, "logreg").cv_accuracy == {}


def test_refusals(prepared: PreparedData) -> None:
    with pytest.raises(WannError, match="needs rows of two classes at least, got 1200 rows in 1"):
        fit_prepared(changed(prepared, np.zeros(1200, int)), "logreg")


def test_progress_may_stop_it(prepared: PreparedData) -> None:
    class Cancel(Exception):
        pass

    def cancel(done: float, total: float, text: str) -> None:
        assert "logistic regression" in text
        if done >= 2:
            raise Cancel

    with pytest.raises(Cancel):
        fit_prepared(prepared, "logreg", cancel)


def test_bounds_of_k_decide_which_rows_are_clean() -> None:
    wide, narrow = (
        run_trained([dataclasses.replace(NOISY, method="logreg_clean", k_max=k)])[0].details
        for k in (51, 13)
    )
    assert narrow["fitted_rows"] < wide["fitted_rows"] < 1200

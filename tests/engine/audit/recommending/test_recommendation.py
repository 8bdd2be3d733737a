"""The choice of method, bounds of k and reduction without clean labels."""

import numpy as np
import pytest

from tests.helpers.blobs import blobs
from wann_core import WannError
from wann_core.audit import audit_labels
from wann_core.audit.recommending.candidates import USUAL, Candidate, candidate_answers
from wann_core.audit.recommending.recommendation import Recommendation, recommend
from wann_core.audit.result import Audit
from wann_core.methods.reduction import normalize
from wann_core.noise.patterns import add_noise
from wann_core.typing import Array

ROWS = 600


def rows_beside_noise() -> tuple[Array, Array, Array, Array]:
    """Rows that an LDA unveils: a few columns tell the classes apart, many others do not."""
    X, y = blobs(2 * ROWS, apart=3.0)
    X = np.concatenate([X, 2 * np.random.RandomState(1).randn(2 * ROWS, 40)], axis=1)
    given = add_noise(y[:ROWS], "sym", 0.2, rng=np.random.RandomState(3), draw="exact").labels
    X = X.astype(np.float32)
    return X[:ROWS], given, X[ROWS:], y[ROWS:]


@pytest.fixture(scope="module")
def found() -> Audit:
    X, given, _, _ = rows_beside_noise()
    return audit_labels(X, given, probe=False)


@pytest.fixture(scope="module")
def chosen(found: Audit) -> Recommendation:
    return recommend(found.evidence)


def test_what_it_chooses_is_near_the_best_in_hindsight(
    found: Audit, chosen: Recommendation
) -> None:
    _, given, new, true = rows_beside_noise()
    X = found.evidence.X
    assert X is not None and chosen.best.reduction in ("LDA", "fLDA")
    new = normalize(rows_beside_noise()[0], new, "zscore")[1]
    accuracy = {
        one: float((answers == true).mean()) for one, answers in candidate_answers(X, given, new, 4)
    }
    assert max(accuracy.values()) - accuracy[chosen.best] < 0.03
    assert accuracy[chosen.best] > accuracy[USUAL] + 0.03


def test_the_table_ranks_and_the_sentence_says_how_sure(chosen: Recommendation) -> None:
    table = chosen.table
    assert table["agreement"].is_monotonic_decreasing
    assert table["behind"].iloc[0] == table["half_width"].iloc[0] == 0
    assert [str(one) for one in chosen.candidates] == table["name"].tolist()
    assert chosen.answered == ROWS  # fewer than 1,500: every fold
    near = table.iloc[1:].query("behind <= half_width")["name"]
    assert [str(one) for one in chosen.ties] == near.tolist()
    assert f"choose {chosen.best}: of {len(table)} methods" in chosen.text
    assert f"{len(near)} of the {len(table) - 1} others" in chosen.text
    assert f"than those of {USUAL}." in chosen.text
    assert ("treat this as a guess" in chosen.text) == (chosen.trust != "sound")


def test_with_a_probe_logistic_regression_is_a_candidate(chosen: Recommendation) -> None:
    X, given, _, _ = rows_beside_noise()
    with_probe = recommend(audit_labels(X[:200], given[:200]).evidence, rows=100)
    assert Candidate("logreg") in with_probe.candidates
    assert Candidate("logreg") not in chosen.candidates
    assert (with_probe.answered, with_probe.fitted) == (100, 80)
    # 80 rows have no 101 neighbors.
    assert {one.k for one in with_probe.candidates if one.method == "kNN"} == {5, 11, 21, 51}


def test_rows_of_a_group_stay_together() -> None:
    X, y = blobs(120, apart=1.0)
    X = np.repeat(X, 5, axis=0) + 0.01 * np.random.RandomState(0).randn(600, 8)
    groups = np.repeat(np.arange(120), 5)
    alone = recommend(audit_labels(X, np.repeat(y, 5), probe=False).evidence)
    apart = recommend(audit_labels(X, np.repeat(y, 5), probe=False, groups=groups).evidence)
    five = str(Candidate("kNN", k=5))
    copied, honest = (one.table.set_index("name").loc[five, "agreement"] for one in (alone, apart))
    assert copied > honest + 0.1


def test_what_cannot_be_had_is_refused(found: Audit) -> None:
    with pytest.raises(WannError, match="`rows` must be"):
        recommend(found.evidence, rows=5)
    few = audit_labels(np.eye(6), [0, 1] * 3, probe=False)
    with pytest.raises(WannError, match="at least 20 rows, got 6"):
        recommend(few.evidence)
    without = audit_labels(None, [0, 1] * 15, pred_probs=np.full((30, 2), 0.5))
    with pytest.raises(WannError, match="`embeddings`"):
        recommend(without.evidence)


def test_progress_ends_with_the_folds_that_are_answered(
    found: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wann_core.audit.recommending.recommendation._ANSWERED", 150)
    shares: list[float] = []
    made = recommend(found.evidence, progress=lambda done, total, _: shares.append(done / total))
    assert made.answered == 240  # two folds of five
    assert shares == sorted(shares) and shares[0] < 0.25 and shares[-1] == 1

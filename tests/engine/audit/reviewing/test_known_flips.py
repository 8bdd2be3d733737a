"""Labels flipped on purpose, and how many of them are found."""

from typing import Any

import numpy as np
import pytest

from tests.helpers.blobs import N_CLASSES, noisy_blobs
from wann_core import WannError
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.label_audit import audit
from wann_core.audit.result import Audit
from wann_core.audit.reviewing.known_flips import known_flips
from wann_core.audit.scores import score_labels
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.typing import Array


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit(noisy_blobs()[0])


@pytest.fixture(scope="module")
def wrong() -> Array:
    return noisy_blobs()[1]


def test_flips_are_counted_by_class(found: Audit) -> None:
    names = ("probe", "neighbors")
    result = known_flips(found, ratio=0.2, pattern="asym", scores=names, seed=4)
    before, n = found.rows.labels, int(result.flipped.sum())
    given = np.where(result.flipped, (before + 1) % N_CLASSES, before)
    probe = OutOfFold(found.rows.X, given, N_CLASSES, C=found.evidence.probe.C)  # type: ignore[union-attr]
    made = Evidence(found.evidence.graph, given, N_CLASSES, probe)
    for name in names:
        score, share = score_labels(made, name), made.wann_shares[np.arange(len(given)), given]
        listed = np.zeros(len(given), bool)
        listed[np.lexsort((share, score))[:n]] = True
        caught = listed & result.flipped
        table = result.per_class[result.per_class["score"] == name].reset_index()
        for c in range(N_CLASSES):
            was, now = before == c, given == c
            assert table["flips"][c] == (result.flipped & was).sum()
            assert table["recall"][c] == caught[was].sum() / (result.flipped & was).sum()
            assert table["precision"][c] == caught[now].sum() / listed[now].sum()


def test_flips_are_found_again(found: Audit, wrong: Array) -> None:
    result = known_flips(found, ratio=0.1, scores=("combined", "knn_share"), seed=3)
    n = len(found.rows)
    assert result.flipped.sum() == round(0.1 * n)
    for name in ("combined", "knn_share"):
        curve = result.curve[result.curve["score"] == name].set_index("n")
        assert curve.loc[n, "recall"] == 1
        assert curve.loc[n, "precision"] == pytest.approx(result.flipped.mean())
        np.testing.assert_allclose(
            curve["precision"] * curve.index, curve["recall"] * result.flipped.sum()
        )
        assert curve["recall"].is_monotonic_increasing
    both = result.curve.pivot(index="n", columns="score", values="recall")
    # Nearly a third of the labels is wrong then, a tenth by our flips.
    assert both.loc[int(0.3 * n) :, "combined"].iloc[0] > 0.85
    per_class = result.per_class[result.per_class["score"] == "combined"]
    assert per_class["flips"].sum() == result.flipped.sum()
    assert per_class["class"].tolist() == list("abcd")
    assert per_class[["precision", "recall"]].stack().between(0, 1).all()
    # The first rows of the real list are wrong, as we know here, and as it expects.
    expected = result.expected[result.expected["score"] == "combined"]
    order = np.argsort(score_labels(found.evidence, "combined"), kind="stable")
    for n_first, errors in zip(expected["n"], expected["errors"], strict=True):
        assert errors <= n_first
        assert abs(wrong[order[:n_first]].sum() - errors) <= 0.15 * wrong.sum() + 1


def test_flips_leave_the_audit_alone(found: Audit) -> None:
    before = found.rows.labels.copy()
    first = known_flips(found, scores=("neighbors",), seed=1)
    again = known_flips(found, scores=("neighbors",), seed=1)
    other = known_flips(found, scores=("neighbors",), seed=2)
    np.testing.assert_array_equal(found.rows.labels, before)
    np.testing.assert_array_equal(first.flipped, again.flipped)
    assert (first.flipped != other.flipped).any()
    assert first.curve.equals(again.curve)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratio": 0.6}, "`ratio` must be a number between 0 and 0.5"),
        ({"ratio": 0.0}, "`ratio` must flip at least one"),
        ({"seed": -1}, "`seed` must be"),
        ({"pattern": "typo"}, "`noise_pattern` must be one of"),
        ({"scores": ("best",)}, "`score` must be one of"),
    ],
)
def test_flips_are_checked(found: Audit, change: dict[str, Any], message: str) -> None:
    with pytest.raises(WannError, match=message):
        known_flips(found, **change)

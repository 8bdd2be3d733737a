"""The number of wrong labels, sharpened by verdicts."""

import numpy as np
import pandas as pd
import pytest

from tests.helpers.blobs import noisy_blobs
from wann_core import WannError
from wann_core.audit.label_audit import audit
from wann_core.audit.result import Audit
from wann_core.audit.reviewing.reviewed_noise import ReviewedNoise, noise_after_review, sample_order
from wann_core.audit.reviewing.stopping import error_rates
from wann_core.typing import Array

ROWS = 1200


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit(noisy_blobs(ROWS)[0], probe=False)


@pytest.fixture(scope="module")
def wrong(found: Audit) -> Array:
    """By place in the ranked list."""
    return noisy_blobs(ROWS)[1][found.ranked().index]


def after(found: Audit, wrong: Array, places: Array) -> ReviewedNoise:
    """With the verdicts of somebody for whom these labels are wrong."""
    rows = found.ranked().iloc[places][["split", "row"]]
    return noise_after_review(found, rows.assign(action=np.where(wrong[places], "relabel", "keep")))


def test_without_verdicts_it_is_the_audits_own(found: Audit) -> None:
    nothing = pd.DataFrame({"split": [], "row": np.zeros(0, np.int64), "action": []})
    unsure = found.ranked().head(9)[["split", "row"]].assign(action="unsure")
    for verdicts in (nothing, unsure):
        reviewed = noise_after_review(found, verdicts)
        noise = found.noise
        assert (reviewed.count, reviewed.low, reviewed.high) == (noise.count, noise.low, noise.high)
        assert (reviewed.judged, reviewed.found, reviewed.rows) == (0, 0, ROWS)


def test_the_head_of_the_list_says_nothing_of_the_rest(found: Audit, wrong: Array) -> None:
    reviewed = after(found, wrong, np.arange(50))
    assert reviewed.sampled == 0 and reviewed.judged == 50
    assert reviewed.found == wrong[:50].sum()
    assert abs(reviewed.count - found.noise.count) <= 5
    assert reviewed.low <= wrong.sum() <= reviewed.high


def test_a_head_without_errors_lowers_the_number(found: Audit) -> None:
    reviewed = after(found, np.zeros(ROWS, bool), np.arange(150))
    assert reviewed.count < found.noise.count - 100 and reviewed.high < found.noise.high


@pytest.mark.parametrize("head", [0, 100])
def test_a_random_sample_sharpens_the_number(found: Audit, wrong: Array, head: int) -> None:
    order = sample_order(error_rates(found), seed=3)
    widths = []
    for n in (60, 240):
        places = np.concatenate([np.arange(head), order[order >= head][:n]])
        reviewed = after(found, wrong, places)
        assert reviewed.low <= wrong.sum() <= reviewed.high
        assert 0 < reviewed.sampled <= n
        widths.append(reviewed.high - reviewed.low)
    assert widths[1] < 0.6 * widths[0] < found.noise.high - found.noise.low


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_verdicts_overrule_an_estimate_that_is_far_off(found: Audit, rate: float) -> None:
    people = np.random.RandomState(1).rand(ROWS) < rate
    reviewed = after(found, people, sample_order(error_rates(found))[:300])
    assert reviewed.low <= people.sum() <= reviewed.high
    assert reviewed.high - reviewed.low < 0.2 * ROWS


def test_as_many_verdicts_as_it_asks_for_halve_the_range(found: Audit, wrong: Array) -> None:
    order = sample_order(error_rates(found), seed=1)
    first = after(found, wrong, order[:60])
    assert first.more is not None and f"{first.more:,} more verdicts" in first.text
    then = after(found, wrong, order[: 60 + first.more])
    assert (then.high - then.low) / (first.high - first.low) == pytest.approx(0.5, abs=0.15)


def test_once_all_rows_are_judged_it_is_known(found: Audit, wrong: Array) -> None:
    reviewed = after(found, wrong, np.arange(ROWS))
    assert reviewed.count == reviewed.low == reviewed.high == wrong.sum()
    assert reviewed.more is None


def test_the_sample_prefers_rows_of_which_nobody_can_be_sure() -> None:
    rates = np.repeat([0.5, 0.001], [100, 900])
    order = sample_order(rates)
    assert sorted(order.tolist()) == list(range(1000))
    assert (order[:50] < 100).mean() > 0.4
    np.testing.assert_array_equal(order, sample_order(rates))
    with pytest.raises(WannError, match="seed"):
        sample_order(rates, seed=-1)

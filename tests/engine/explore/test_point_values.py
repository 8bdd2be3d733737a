"""What the map is colored by."""

import numpy as np
import pytest

from wann_core import Scenario, WannError, prepare
from wann_core.experiments.prepared import PreparedData
from wann_core.explore.neighborhood import SPLITS, neighbors_of
from wann_core.explore.point_values import VALUES, values


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare(
        Scenario(noise_pattern="sym", noise_ratio=0.3, draw="exact", num_subsamples=300, k_max=31)
    )


@pytest.mark.parametrize("split", SPLITS)
def test_agreement_matches_a_plain_loop(prepared: PreparedData, split: str) -> None:
    ids, _ = neighbors_of(prepared, split)
    own = values(prepared, split, "observed")
    expected = [
        sum(prepared.labels[j] == label for j in near[:31]) / 31
        for near, label in zip(ids, own, strict=True)
    ]
    np.testing.assert_allclose(values(prepared, split, "agreement"), expected)


def test_flipped_rows_are_the_noise(prepared: PreparedData) -> None:
    assert values(prepared, "train", "flipped").mean() == prepared.noise_ratio
    assert not values(prepared, "test", "flipped").any()


def test_test_rows_have_the_trust_of_their_nearest_row(prepared: PreparedData) -> None:
    assert prepared.graph.test_ids is not None
    nearest = prepared.graph.test_ids[:, 0]
    k = values(prepared, "train", "adaptive_k")
    assert np.array_equal(values(prepared, "test", "adaptive_k"), k[nearest])
    np.testing.assert_allclose(values(prepared, "test", "reliability"), 1 / k[nearest])


def test_a_row_has_no_vote_on_itself(prepared: PreparedData) -> None:
    # With one neighbor, a row that voted would always be of its own opinion.
    right = values(prepared, "train", "correct-kNN-1")
    assert 0.5 < right.mean() < 0.9


def test_unknown_names_are_refused(prepared: PreparedData) -> None:
    with pytest.raises(WannError, match="`what` must be one of observed"):
        values(prepared, "train", "color")
    with pytest.raises(WannError, match="`split` must be one of train, test"):
        values(prepared, "both", VALUES[0])

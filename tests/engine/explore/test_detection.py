"""Scores against the flips: curves and areas as scikit-learn has them, ties together."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    auc,
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from tests.engine.experiments.test_leave_one_out import write
from wann_core import Scenario, prepare
from wann_core.audit.judging.evidence import Evidence
from wann_core.explore.detection import SCORES, areas_and_curve, beliefs, detection
from wann_core.neighbors.graph import NeighborGraph

NOISY = Scenario(noise_pattern="asym", noise_ratio=0.4, draw="exact")


@given(
    n=st.integers(2, 60),
    values=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_few_values_tie_as_in_scikit_learn(n: int, values: int, seed: int) -> None:
    rng = np.random.RandomState(seed)
    belief = 1.0 / rng.choice([11, 13, 17, 31, 51][:values], n)
    flipped = rng.permutation(np.arange(n) < rng.randint(1, n))
    areas, table = areas_and_curve("eta", belief, flipped)
    assert areas["auroc"] == pytest.approx(roc_auc_score(flipped, -belief), abs=1e-12)
    assert areas["average_precision"] == pytest.approx(
        average_precision_score(flipped, -belief), abs=1e-12
    )
    false_rate, recall, _ = roc_curve(flipped, -belief, drop_intermediate=False)
    np.testing.assert_allclose(table["false_positive_rate"], false_rate)
    np.testing.assert_allclose(table["recall"], recall)
    precision, recall, _ = precision_recall_curve(flipped, -belief)
    # scikit-learn goes the other way, stops at full recall, and gives the empty list precision 1.
    mine = table.iloc[1 : len(recall)]
    np.testing.assert_allclose(mine["precision"], precision[-2::-1])
    np.testing.assert_allclose(mine["recall"], recall[-2::-1])
    assert table["listed"].tolist() == [0, *(int((belief <= b).sum()) for b in table["belief"][1:])]


def test_areas_are_those_of_all_rows_and_of_the_curves() -> None:
    prepared = prepare(NOISY)
    found = detection(prepared)
    assert found is not None
    flipped = prepared.labels != prepared.clean_labels
    assert (found.rows, found.flips) == (len(flipped), flipped.sum())
    assert found.base_rate == prepared.noise_ratio
    assert tuple(found.areas["score"]) == SCORES
    for name, belief in beliefs(prepared).items():
        row = found.areas.set_index("score").loc[name]
        assert row["auroc"] == pytest.approx(roc_auc_score(flipped, -belief), abs=1e-12)
        assert row["average_precision"] == pytest.approx(
            average_precision_score(flipped, -belief), abs=1e-12
        )
        drawn = found.curves[found.curves["score"] == name]
        # Straight lines for one, steps as high as their ends for the other.
        assert auc(drawn["false_positive_rate"], drawn["recall"]) == pytest.approx(
            row["auroc"], abs=2e-3
        )
        steps = np.diff(drawn["recall"]) * drawn["precision"].to_numpy()[1:]
        assert steps.sum() == pytest.approx(row["average_precision"], abs=5e-3)
    assert row["auroc"] > 0.95


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    rng = np.random.RandomState(0)
    flipped = rng.rand(50_000) < 0.2
    belief = rng.randn(50_000) - 1.5 * flipped
    _, table = areas_and_curve("x", belief, flipped)
    assert len(table) < 1_000
    assert table["recall"].iloc[-1] == table["false_positive_rate"].iloc[-1] == 1
    assert table["listed"].iloc[[0, 1, -1]].tolist() == [0, 1, 50_000]
    area = auc(table["false_positive_rate"], table["recall"])
    assert area == pytest.approx(roc_auc_score(flipped, -belief), abs=1e-4)
    assert table["recall"].diff().max() < 0.01


def test_scores_follow_the_bounds_and_leave_the_row_out() -> None:
    scenario = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact", k_min=5, k_max=21)
    prepared = prepare(scenario)
    found = beliefs(prepared)
    assert set(np.unique(1 / found["eta"]).round().astype(int)) <= set(range(5, 22, 2))
    np.testing.assert_array_equal(found["eta"], prepared.reliability)
    np.testing.assert_array_equal(found["eta_share"], found["eta"] * found["vote_share"])
    # The vote share of one row, with everybody's reliability found without that row.
    row, labels = 7, prepared.labels
    graph = NeighborGraph.build(prepared.X_train, k=52)
    votes = np.zeros(10)
    for j in graph.train_ids[row, :51]:
        others = [i for i in prepared.graph.train_ids[j] if i != row]
        chosen = 21
        for k in range(5, 21, 2):
            if np.bincount(labels[others[:k]]).argmax() == labels[j]:
                chosen = k
                break
        votes[labels[j]] += 1 / chosen
    expected = votes[labels[row]] / votes.sum()
    assert found["vote_share"][row] == pytest.approx(expected)


def test_the_audit_keeps_its_bounds() -> None:
    prepared = prepare(Scenario())
    evidence = Evidence(prepared.graph, prepared.labels, 10)
    assert evidence.k_bounds == (11, 51)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_one_kind_of_label_has_no_curve(ratio: float) -> None:
    scenario = Scenario(noise_pattern="sym", noise_ratio=ratio, draw="exact")
    assert detection(prepare(scenario)) is None


def test_few_rows_left_out_one_by_one(tmp_path: Path) -> None:
    write(tmp_path, n=12)
    scenario = Scenario("lone", "tiny", noise_pattern="sym", noise_ratio=0.5, draw="exact")
    found = detection(prepare(scenario, database_root=tmp_path))
    assert found is not None
    assert found.flips == 6
    assert found.curves.groupby("score")["listed"].max().eq(12).all()

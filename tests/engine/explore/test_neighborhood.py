"""One sample and those who vote on it."""

import numpy as np
import pytest

from wann_core import Scenario, WannError, adaptive_k, classify, prepare
from wann_core.experiments.prepared import PreparedData
from wann_core.explore.neighborhood import candidates, neighborhood, predictions, row_ids

METHODS = ("kNN-11", "kNN-51", "ANN", "WANN")


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare(
        Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact", num_subsamples=600, seed=3)
    )


@pytest.mark.parametrize("method", METHODS)
def test_test_rows_are_answered_as_classify_answers_them(
    prepared: PreparedData, method: str
) -> None:
    report = classify(prepared, prepared.scenario.with_method(method))
    assert np.array_equal(predictions(prepared, "test", method), report.predictions)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("method", METHODS)
def test_votes_name_the_predicted_class(prepared: PreparedData, split: str, method: str) -> None:
    answers = predictions(prepared, split, method)
    for position in range(0, len(answers), 37):
        sample = neighborhood(prepared, split, int(row_ids(prepared, split)[position]))
        shares = sample.votes(method)
        assert shares.sum() == pytest.approx(1)
        assert shares[answers[position]] == pytest.approx(shares.max())
        assert sample.answer(method) == answers[position]


def test_training_sample_is_not_its_own_neighbor(prepared: PreparedData) -> None:
    for row in prepared.row_ids[:20]:
        assert int(row) not in set(neighborhood(prepared, "train", int(row)).table()["row"])


def test_table_follows_the_source(prepared: PreparedData) -> None:
    row = int(prepared.dataset.test.ids[5])
    sample = neighborhood(prepared, "test", row)
    table = sample.table()
    data = prepared.dataset
    clean = dict(zip(data.train.ids, data.train.y, strict=True))
    assert [clean[r] for r in table["row"]] == list(table["clean_label"])
    assert table["distance"].is_monotonic_increasing
    assert np.allclose(table["reliability"], 1 / table["adaptive_k"])
    voting = table["vote_weight"] > 0
    assert list(voting) == [rank <= sample.adaptive_k for rank in table["rank"]]
    assert table["vote_weight"].sum() == pytest.approx(1)
    assert sample.true_label == sample.given_label == data.test.y[5]


def test_share_curve_ends_at_the_votes(prepared: PreparedData) -> None:
    sample = neighborhood(prepared, "test", int(prepared.dataset.test.ids[11]))
    k = sample.adaptive_k
    assert np.allclose(sample.share_curve(weighted=False)[k - 1], sample.votes("ANN"))
    assert np.allclose(sample.share_curve(weighted=True)[k - 1], sample.votes("WANN"))
    assert np.allclose(sample.share_curve(weighted=False)[10], sample.votes("kNN-11"))


def test_candidates_are_what_they_are_called(prepared: PreparedData) -> None:
    given = dict(zip(prepared.row_ids, prepared.labels, strict=True))
    clean = dict(zip(prepared.row_ids, prepared.clean_labels, strict=True))
    wrong = candidates(prepared, "train", "wrong", 30, METHODS, 0)
    assert len(set(wrong)) == 30
    assert all(given[row] != clean[row] for row in wrong)

    k = dict(zip(prepared.row_ids, prepared.adaptive_k, strict=True))
    doubtful = candidates(prepared, "train", "unreliable", 10, METHODS, 0)
    assert {k[row] for row in doubtful} == {max(k.values())}

    said = {method: predictions(prepared, "test", method) for method in METHODS}
    position = {row: i for i, row in enumerate(prepared.dataset.test.ids)}
    for row in candidates(prepared, "test", "disagreement", 20, METHODS, 0):
        assert len({int(answers[position[row]]) for answers in said.values()}) > 1
    for row in candidates(prepared, "test", "wrong", 20, METHODS, 0):
        assert said["WANN"][position[row]] != prepared.y_test[position[row]]


def test_random_candidates_depend_on_the_seed(prepared: PreparedData) -> None:
    first, again, other = (
        list(candidates(prepared, "train", "random", 16, METHODS, seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_clean_data_have_no_wrong_labels() -> None:
    assert not len(candidates(prepare(Scenario()), "train", "wrong", 5, METHODS, 0))


def test_adaptive_k_is_that_of_the_nearest_row(prepared: PreparedData) -> None:
    sample = neighborhood(prepared, "test", int(prepared.dataset.test.ids[0]))
    k = adaptive_k(prepared.graph.train_ids, prepared.labels, 11, 51)
    assert sample.adaptive_k == k[sample.ids[0]]


@pytest.mark.parametrize(("split", "row"), [("train", 10**9), ("test", -1), ("other", 0)])
def test_what_is_not_there_is_refused(prepared: PreparedData, split: str, row: int) -> None:
    with pytest.raises(WannError):
        neighborhood(prepared, split, row)

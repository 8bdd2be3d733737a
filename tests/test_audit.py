"""Which labels look wrong: scores, the estimate of their number, duplicates, known flips."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from wann_core import WannError, add_noise, datasets
from wann_core.audit import Audit, audit, judge, labelled_rows
from wann_core.audit_scores import SCORES, Evidence
from wann_core.datasets.dataset import Dataset, Split
from wann_core.duplicates import mixed_groups, near_duplicates, outlier_score
from wann_core.known_flips import known_flips
from wann_core.neighbors import NeighborGraph
from wann_core.noise_rate import anchor_matrix, estimate_noise
from wann_core.probing.out_of_fold import OutOfFold

Array = npt.NDArray[Any]

N_CLASSES = 4
WITHOUT_PROBE = tuple(name for name in SCORES if name != "probe")


def blobs(rows: int, seed: int = 0, apart: float = 2.0) -> tuple[Array, Array]:
    """Four overlapping classes in 8 dimensions, and their true labels."""
    rng = np.random.RandomState(seed)
    labels = rng.permutation(np.arange(rows) % N_CLASSES)
    X = apart * np.eye(N_CLASSES, 8)[labels] + rng.randn(rows, 8)
    return X.astype(np.float32), labels.astype(np.int64)


def dataset(X: Array, y: Array, **splits: Split) -> Dataset:
    names = tuple("abcd"[: max(N_CLASSES, 2)])
    return Dataset("blobs", "none", names, Split(X, y, np.arange(len(y))), None, **splits)


def noisy_blobs(
    rows: int = 1200, ratio: float = 0.2, pattern: str = "sym"
) -> tuple[Dataset, Array]:
    X, y = blobs(rows, apart=4.0)
    given = add_noise(y, pattern, ratio, rng=np.random.RandomState(5), draw="exact").labels
    return dataset(X, given), given != y


def evidence(X: Array, labels: Array, *, probe: bool = False) -> Evidence:
    fits = OutOfFold(X, labels, N_CLASSES) if probe else None
    return Evidence(NeighborGraph.build(X, k=51), labels, N_CLASSES, fits)


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit(noisy_blobs()[0])


@pytest.fixture(scope="module")
def wrong() -> Array:
    return noisy_blobs()[1]


@pytest.mark.parametrize("name", SCORES)
def test_scores_find_wrong_labels(found: Audit, wrong: Array, name: str) -> None:
    score = found.evidence.score(name)
    assert score.shape == wrong.shape
    assert score.min() >= 0 and score.max() <= 1
    # Of a right and a wrong label, the wrong one is the more doubtful nearly always.
    right = np.sort(score[~wrong])
    pairs = np.searchsorted(right, score[wrong], side="right")
    ties = pairs - np.searchsorted(right, score[wrong], side="left")
    assert 1 - np.mean(pairs - ties / 2) / len(right) > 0.95


def test_default_is_better_than_the_plain_vote(found: Audit, wrong: Array) -> None:
    def hits(name: str) -> int:
        return int(wrong[np.argsort(found.evidence.score(name))[: wrong.sum()]].sum())

    assert hits("combined") >= hits("neighbors") >= hits("knn_share")
    assert hits("combined") > 0.9 * wrong.sum()


def test_table_is_complete(found: Audit) -> None:
    table = found.table
    assert list(table) == [
        "split", "row", "name", "given_label", "predicted_label", "given_label_id",
        "predicted_label_id", "label_score", "is_label_issue", "reliability", "adaptive_k",
        "given_share", "predicted_share", "same_class_distance", "near_duplicate_group",
        "near_duplicate_conflict", "in_train_and_test", "outlier_score",
    ]  # fmt: skip
    assert len(table) == len(found.rows)
    assert table["is_label_issue"].sum() == found.noise.count
    issues = table["is_label_issue"]
    assert table.loc[issues, "label_score"].max() <= table.loc[~issues, "label_score"].min()
    assert found.ranked()["label_score"].is_monotonic_increasing
    np.testing.assert_allclose(table["reliability"] * table["adaptive_k"], 1)
    letters = np.array(list("abcd"))
    assert (letters[table["given_label_id"]] == table["given_label"]).all()
    assert (letters[table["predicted_label_id"]] == table["predicted_label"]).all()


@pytest.mark.parametrize("row", [0, 17, 101])
def test_own_label_has_no_voice(row: int) -> None:
    X, labels = blobs(300)
    changed = labels.copy()
    changed[row] = (labels[row] + 1) % N_CLASSES
    before, after = evidence(X, labels), evidence(X, changed)
    np.testing.assert_array_equal(before.near_shares[row], after.near_shares[row])
    np.testing.assert_array_equal(before.wann_shares[row], after.wann_shares[row])
    assert before.shares[row].argmax() == after.shares[row].argmax()


def test_wann_shares_match_a_plain_loop() -> None:
    X, labels = blobs(90)
    made = evidence(X, labels)
    ids = made.ids
    for row in (0, 3, 50):
        votes = np.zeros(N_CLASSES)
        for j in ids[row]:
            others = [i for i in ids[j] if i != row]
            k = next(
                (
                    k
                    for k in range(11, 51, 2)
                    if np.bincount(labels[others[:k]]).argmax() == labels[j]
                ),
                51,
            )
            votes[labels[j]] += 1 / k
        np.testing.assert_allclose(made.wann_shares[row], votes / votes.sum())


def test_votes_match_plain_loops() -> None:
    X, labels = blobs(120)
    made = evidence(X, labels)
    knn, margin = made.score("knn_share"), made.score("simifeat_v")
    for row in (0, 60, 119):
        d, near = made.graph.train_distances[row].astype(float), labels[made.ids[row]]
        nearer = np.exp(-2 * (d / d[50]) ** 2)
        votes = np.bincount(near, weights=nearer, minlength=N_CLASSES)
        np.testing.assert_allclose(made.near_shares[row], votes / votes.sum())
        assert knn[row] == pytest.approx((near == labels[row]).mean())
        ten = np.bincount(near[:10], minlength=N_CLASSES) / 10
        rival = np.delete(ten, labels[row]).max()
        assert margin[row] == pytest.approx((1 + ten[labels[row]] - rival) / 2)


def test_simifeat_ranks_within_the_class() -> None:
    data, wrong = noisy_blobs()
    made = evidence(labelled_rows(data).X, data.train.y)
    score = made.score("simifeat_r")
    # What is below one half is what the estimate of the class takes for wrong.
    for c in range(N_CLASSES):
        own = data.train.y == c
        assert (score[own] < 0.5).mean() == pytest.approx(wrong[own].mean(), abs=0.05)


def test_second_fit_believes_doubtful_labels_less(found: Audit, wrong: Array) -> None:
    made = found.evidence
    assert made.probe is not None
    again = (made.shares - 0.25 * made.wann_shares) / 0.75
    np.testing.assert_allclose(again.sum(axis=1), 1, rtol=1e-5)
    everyone, given = np.arange(len(wrong)), found.rows.labels
    moved = again[everyone, given] - made.probe_shares[everyone, given]
    assert moved[wrong].mean() < 0 < moved[~wrong].mean()
    # Rows without weight are as good as not there.
    weights = np.where(wrong, 0.0, 1.0)
    trusted = np.flatnonzero(~wrong)
    held_out = made.probe.folds == 0
    alone = probe_of(made.probe, trusted)
    np.testing.assert_allclose(
        made.probe.probabilities(weights)[held_out & ~wrong],
        alone.probabilities()[alone.folds == 0],
        atol=0.02,
    )


def probe_of(probe: OutOfFold, rows: Array) -> OutOfFold:
    """The probe of some of the rows, in their old folds."""
    part = OutOfFold(probe.X[rows], probe.labels[rows], probe.n_classes, C=probe.C)
    part.folds = probe.folds[rows]
    return part


@pytest.mark.parametrize("name", WITHOUT_PROBE)
def test_order_of_the_rows_does_not_matter(name: str) -> None:
    X, labels = blobs(400)
    order = np.random.RandomState(1).permutation(len(X))
    straight = evidence(X, labels).score(name)
    np.testing.assert_allclose(evidence(X[order], labels[order]).score(name), straight[order])


def test_out_of_fold_rows_are_judged_by_others_only() -> None:
    X, labels = blobs(200)
    fits = OutOfFold(X, labels, N_CLASSES, C=1.0)
    shares = fits.probabilities()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    # Rows of a fold with other labels change nothing for that fold.
    held_out = fits.folds == 2
    changed = np.where(held_out, (labels + 1) % N_CLASSES, labels)
    fits.labels = changed
    np.testing.assert_array_equal(fits.probabilities()[held_out], shares[held_out])


def test_out_of_fold_serves_rare_classes_and_says_when_it_cannot() -> None:
    X, labels = blobs(40)
    labels[:] = 0
    labels[:2], labels[2] = 1, 2
    shares = OutOfFold(X, labels, N_CLASSES, C=1.0).probabilities()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    labels[1] = 0
    with pytest.raises(WannError, match="two classes of at least two rows"):
        OutOfFold(X, labels, N_CLASSES)


@pytest.mark.parametrize(
    ("pattern", "ratio"), [("sym", 0.1), ("sym", 0.3), ("asym", 0.2), (None, 0.0)]
)
def test_noise_is_estimated(pattern: str | None, ratio: float) -> None:
    X, y = blobs(3000, apart=4.0)
    rng = np.random.RandomState(0)
    noise = add_noise(y, pattern, ratio, rng=rng, draw="exact")
    found = estimate_noise(evidence(X, noise.labels).near_shares, noise.labels)
    assert abs(found.rate - ratio) < 0.03
    assert found.low <= (noise.labels != y).sum() <= found.high
    np.testing.assert_allclose(found.transition_matrix.sum(axis=1), 1)
    np.testing.assert_allclose(found.transition_matrix, noise.transition_matrix, atol=0.08)


def test_anchor_matrix_of_certain_rows() -> None:
    labels = np.repeat([0, 0, 0, 1, 1], 100)
    shares = np.eye(2)[np.repeat([0, 0, 1, 1, 1], 100)]
    # Class 0 is never mislabelled, class 1 in a third of its rows.
    T = anchor_matrix(shares, labels, 1.0)
    np.testing.assert_allclose(T, [[1, 0], [1 / 3, 2 / 3]], atol=2e-3)


def test_unlabelled_rows_are_left_out() -> None:
    X, y = blobs(200)
    more = Split(X[:50] + 1, np.full(50, -1), np.arange(50))
    data = dataset(X, y)
    with_them = dataclasses.replace(data, unlabelled=more, val=more)
    np.testing.assert_array_equal(
        audit(data, probe=False).table, audit(with_them, probe=False).table
    )


def test_rows_keep_split_id_and_name() -> None:
    X, y = blobs(90)
    train = Split(X[:50], y[:50], np.arange(50)[::-1].copy(), names=[f"{i}.png" for i in range(50)])
    val = Split(X[50:70], y[50:70], np.arange(100, 120))
    test = Split(X[70:], y[70:], np.arange(20))
    data = Dataset("blobs", "none", tuple("abcd"), train, test, val)
    table = audit(data, probe=False).table
    assert table["split"].tolist() == ["train"] * 50 + ["val"] * 20 + ["test"] * 20
    assert table["row"].tolist() == [*range(49, -1, -1), *range(100, 120), *range(20)]
    assert table["name"].tolist() == [*train.names, *[""] * 40]  # type: ignore[misc]


def test_duplicates_across_splits_and_labels_are_found() -> None:
    X, y = blobs(120)
    X[1], y[1] = X[0], (y[0] + 1) % N_CLASSES
    X[101], y[101] = X[2] + 1e-4, y[2]
    train = Split(X[:100], y[:100], np.arange(100))
    data = Dataset("blobs", "none", tuple("abcd"), train, Split(X[100:], y[100:], np.arange(20)))
    table = audit(data, probe=False).table
    groups = table["near_duplicate_group"]
    assert np.flatnonzero(groups >= 0).tolist() == [0, 1, 2, 101]
    assert groups[0] == groups[1] != groups[2] == groups[101]
    assert np.flatnonzero(table["near_duplicate_conflict"]).tolist() == [0, 1]
    assert np.flatnonzero(table["in_train_and_test"]).tolist() == [2, 101]


def test_distance_to_the_same_class() -> None:
    X, y = blobs(400)
    X[:, 0] += 100 * (y == 2)
    y[5] = 2 if y[5] != 2 else 1  # alone among another class
    table = audit(dataset(X, y), probe=False).table
    Z = labelled_rows(dataset(X, y)).X.astype(float)
    apart = np.linalg.norm(Z[:, None] - Z[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    near = np.argsort(apart, axis=1)[:, :51]
    for row in range(0, 400, 5):
        same = [apart[row, j] for j in near[row] if y[j] == y[row]]
        expected = min(same) if same else np.nan
        np.testing.assert_allclose(table["same_class_distance"][row], expected, rtol=1e-4)
    assert np.isnan(table["same_class_distance"][5])


def test_flips_are_counted_by_class(found: Audit) -> None:
    names = ("probe", "neighbors")
    result = known_flips(found, ratio=0.2, pattern="asym", scores=names, seed=4)
    before, n = found.rows.labels, int(result.flipped.sum())
    given = np.where(result.flipped, (before + 1) % N_CLASSES, before)
    probe = OutOfFold(found.rows.X, given, N_CLASSES, C=found.evidence.probe.C)  # type: ignore[union-attr]
    made = Evidence(found.evidence.graph, given, N_CLASSES, probe)
    for name in names:
        score, share = made.score(name), made.wann_shares[np.arange(len(given)), given]
        listed = np.zeros(len(given), bool)
        listed[np.lexsort((share, score))[:n]] = True
        caught = listed & result.flipped
        table = result.per_class[result.per_class["score"] == name].reset_index()
        for c in range(N_CLASSES):
            was, now = before == c, given == c
            assert table["flips"][c] == (result.flipped & was).sum()
            assert table["recall"][c] == caught[was].sum() / (result.flipped & was).sum()
            assert table["precision"][c] == caught[now].sum() / listed[now].sum()


def test_chain_of_duplicates_is_one_group() -> None:
    ids = np.array([[1, 2], [0, 2], [1, 0], [4, 0], [3, 0]])
    distances = np.array([[0.1, 0.2], [0.1, 0.1], [0.1, 0.2], [4.0, 9.0], [4.0, 9.0]])
    distances[[0, 1, 2], 0] = 0
    groups = near_duplicates(ids, distances)
    assert groups.tolist() == [0, 0, 0, -1, -1]
    assert mixed_groups(groups, np.array([1, 1, 2, 1, 2])).tolist() == [True] * 3 + [False] * 2


def test_far_rows_are_outliers() -> None:
    X, _ = blobs(200)
    X[7] += 50
    score = outlier_score(NeighborGraph.build(X, k=51).train_distances)
    assert score.argmin() == 7 and score[7] < 0.01
    assert np.median(score) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rows", [3, 5, 20])
def test_few_rows_are_judged(rows: int) -> None:
    X, y = blobs(rows)
    y[:2] = 0, 1
    table = audit(dataset(X, y), probe=False).table
    assert len(table) == rows
    assert table["label_score"].between(0, 1).all()


def test_equal_rows_are_judged() -> None:
    X, y = blobs(60)
    table = audit(dataset(np.ones_like(X), y), probe=False).table
    assert table["near_duplicate_group"].eq(0).all()
    assert np.isfinite(table["label_score"]).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [([0, 0, 0, 0], "got 4 of 1"), ([0, 1], "got 2 of 2")],
)
def test_too_little_is_refused(y: list[int], message: str) -> None:
    X, _ = blobs(len(y))
    with pytest.raises(WannError, match=message):
        audit(dataset(X, np.array(y)))


def test_scores_are_checked(found: Audit) -> None:
    data = noisy_blobs(100)[0]
    with pytest.raises(WannError, match="`score` must be one of combined"):
        audit(data, score="best")
    with pytest.raises(WannError, match="cannot be had without a probe"):
        audit(data, score="probe", probe=False)
    with pytest.raises(WannError, match="`score` must be one of"):
        found.evidence.score("best")


def test_progress_may_stop_it() -> None:
    def stop(done: float, total: float, text: str) -> None:
        raise KeyboardInterrupt(text)

    with pytest.raises(KeyboardInterrupt, match="searching neighbours"):
        audit(noisy_blobs(100)[0], progress=stop)


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
    order = np.argsort(found.evidence.score("combined"), kind="stable")
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


def test_digits_with_flips_rank_their_flips_first() -> None:
    rows = labelled_rows(datasets.load("digits", "pixels"))
    flips = add_noise(rows.labels, "sym", 0.1, rng=np.random.RandomState(0), draw="exact")
    rows = dataclasses.replace(rows, labels=flips.labels)
    graph = NeighborGraph.build(rows.X, k=51)
    found = judge(rows, Evidence(graph, rows.labels, 10))
    wrong = flips.labels != labelled_rows(datasets.load("digits", "pixels")).labels
    assert found.noise.low <= wrong.sum() <= found.noise.high
    issues = found.table["is_label_issue"].to_numpy()
    assert (issues & wrong).sum() > 0.9 * max(issues.sum(), wrong.sum())

"""Labels after review, the reviewer's precision, when to stop, and what the corrections change."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.helpers.blobs import blobs, dataset, noisy_blobs
from wann_core import WannError, datasets
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.rows import labeled_rows
from wann_core.audit.label_audit import audit
from wann_core.audit.reviewing.known_flips import known_flips
from wann_core.audit.reviewing.stopping import error_rates, outlook, running_precision
from wann_core.datasets.dataset import Dataset, Split
from wann_core.methods.metrics import wilson_interval
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.methods.voting import adaptive_k, vote
from wann_core.neighbors.graph import NeighborGraph
from wann_core.review import before_after as engine
from wann_core.review.before_after import before_after
from wann_core.review.corrections import corrected


def verdicts(*rows: tuple[str, int, str, str, str | None]) -> pd.DataFrame:
    names = ["split", "row", "given_label", "action", "new_label"]
    return pd.DataFrame(list(rows), columns=names).astype({"row": np.int64})


@pytest.fixture
def data() -> Dataset:
    """Rows under ids of their own, a test split, rows without a label."""
    X, y = blobs(60)
    train = Split(X[:40], y[:40], np.arange(140, 100, -1), names=[f"{i}.png" for i in range(40)])
    test = Split(X[40:], np.where(np.arange(20) < 15, y[40:], -1), np.arange(20))
    return Dataset("blobs", "none", tuple("abcd"), train, test)


def name_of(data: Dataset, split: str, place: int) -> str:
    return data.class_names[data.splits[split].y[place]]


def test_actions_do_what_they_say(data: Dataset) -> None:
    given = [name_of(data, "train", place) for place in range(4)]
    other = "abcd"[("abcd".index(given[1]) + 1) % 4]
    after = corrected(
        data,
        verdicts(
            ("train", 140, given[0], "remove", None),
            ("train", 139, given[1], "relabel", other),
            ("train", 138, given[2], "keep", None),
            ("test", 3, name_of(data, "test", 3), "unsure", None),
        ),
    )
    assert after.counts == {"keep": 1, "relabel": 1, "remove": 1, "unsure": 1, "unreviewed": 51}
    changed = after.labels["train"] != data.train.y
    assert np.flatnonzero(changed).tolist() == [1]
    assert data.class_names[after.labels["train"][1]] == other
    assert np.flatnonzero(~after.keep["train"]).tolist() == [0] and after.keep["test"].all()
    train = after.splits["train"]
    assert (len(train), train.ids[0], train.names[0]) == (39, 139, "1.png")  # type: ignore[index]
    np.testing.assert_array_equal(train.X, data.train.X[1:])
    assert after.splits["test"].y.tolist() == data.splits["test"].y.tolist()


def test_all_rows_of_a_split_may_go(data: Dataset) -> None:
    rows = [("test", i, name_of(data, "test", i), "remove", None) for i in range(15)]
    after = corrected(data, verdicts(*rows))
    assert after.splits["test"].y.tolist() == [-1] * 5
    with_label = dataclasses.replace(data, test=dataclasses.replace(data.train))
    rows = [
        ("test", int(i), name_of(with_label, "test", 140 - int(i)), "remove", None)
        for i in data.train.ids
    ]
    assert set(corrected(with_label, verdicts(*rows)).splits) == {"train"}


WRONG = {
    "row": (("train", 7, "a", "keep", None), "no label of; the first is row 7 of train"),
    "unlabelled": (("test", 19, "a", "keep", None), "row 19 of test"),
    "split": (("val", 1, "a", "keep", None), "row 1 of val"),
    "label": (("train", 140, "x", "keep", None), "is about the label 'x'; the row has"),
    "class": (("train", 140, "?", "relabel", "z"), "'z', is not a class"),
    "action": (("train", 140, "?", "burn", None), "`action` must be one of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_verdicts_that_do_not_fit_are_refused(data: Dataset, case: str) -> None:
    (split, row, label, action, new), message = WRONG[case]
    label = name_of(data, "train", 0) if label == "?" else label
    with pytest.raises(WannError, match=message):
        corrected(data, verdicts((split, row, label, action, new)))


def test_two_verdicts_are_refused_and_classes_of_one_name_are_kept_apart(data: Dataset) -> None:
    one = ("train", 140, name_of(data, "train", 0), "keep", None)
    with pytest.raises(WannError, match="one verdict"):
        corrected(data, verdicts(one, one))
    place = int(np.flatnonzero(data.train.y == 1)[0])
    twins = dataclasses.replace(data, class_names=("a", "b", "a", "d"))
    assert twins.class_names == ("a", "b", "a (class 2)", "d")
    new = ("train", int(data.train.ids[place]), "b", "relabel", "a (class 2)")
    assert corrected(twins, verdicts(new)).labels["train"][place] == 2


def reviewed(ranked: pd.DataFrame, wrong: np.ndarray, depth: int) -> pd.DataFrame:
    """Verdicts of somebody who knows, on the head of the list."""
    head = ranked.head(depth)
    action = np.where(wrong[head.index], "remove", "keep")
    return head[["split", "row", "given_label"]].assign(action=action, new_label=None)


def test_running_precision_counts_along_the_list() -> None:
    data, wrong = noisy_blobs(400)
    ranked = audit(data, probe=False).ranked()
    seen = reviewed(ranked, wrong, 30)
    seen.iloc[4, seen.columns.get_loc("action")] = "unsure"
    curve = running_precision(ranked, seen.sample(frac=1, random_state=0))
    truth = np.delete(wrong[ranked.index[:30]], 4)
    assert curve["rank"].tolist() == [1, 2, 3, 4, *range(6, 31)]
    np.testing.assert_array_equal(curve["errors"], np.cumsum(truth))
    last = curve.iloc[-1]
    assert last["precision"] == truth.mean()
    assert (last["low"], last["high"]) == wilson_interval(int(truth.sum()), 29)
    assert running_precision(ranked, seen.head(0)).empty


@pytest.mark.parametrize("flips", [False, True])
def test_outlook_foresees_what_the_next_rows_bring(flips: bool) -> None:
    data, wrong = noisy_blobs(1200, 0.2)
    found = audit(data, probe=False)
    ranked = found.ranked()
    truth = wrong[ranked.index]
    known = known_flips(found, scores=["combined"]) if flips else None
    rates = error_rates(found, known)
    assert rates.shape == (1200,) and rates.min() >= 0 and rates.max() <= 1
    assert rates.sum() == pytest.approx(found.noise.count, rel=0.1)
    stopped = []
    for depth in range(0, 1200, 50):
        seen = reviewed(ranked, wrong, depth)
        ahead = outlook(ranked, rates, seen, ahead=50, least=5)
        came = truth[depth : depth + 50].sum()
        # As the list turns from wrong to right nobody can tell to the row.
        assert abs(ahead.expected - came) < 20
        assert ahead.low <= ahead.expected <= ahead.high <= 50
        stopped.append(ahead.stop)
    assert not any(stopped[:3]) and all(stopped[8:])
    depth = 50 * stopped.index(True)
    assert truth[:depth].sum() > 0.85 * truth.sum()


def test_outlook_learns_from_the_reviewer() -> None:
    data, wrong = noisy_blobs(600)
    found = audit(data, probe=False)
    ranked, rates = found.ranked(), error_rates(found)
    alone = outlook(ranked, rates, reviewed(ranked, wrong, 0))
    assert alone.factor == 1 and "the estimate alone" in alone.text
    # Expected rows are whole where they are many.
    assert alone.expected > 10 and f" about {alone.expected:.0f} (" in alone.text
    nothing = outlook(ranked, rates, reviewed(ranked, np.zeros(600, bool), 60))
    assert nothing.factor < 0.2 and nothing.stop and "hardly pays" in nothing.text
    everything = outlook(ranked, rates, reviewed(ranked, np.ones(600, bool), 100))
    assert everything.factor > 1 and not everything.stop
    rest = outlook(ranked, rates, reviewed(ranked, wrong, 600))
    assert (rest.rows, rest.expected, rest.stop) == (0, 0, True)
    few = outlook(ranked.tail(3), np.ones(3), reviewed(ranked, wrong, 0))
    assert few.expected == 3 and not few.stop  # all that is left is wrong
    with pytest.raises(WannError, match="`ahead`"):
        outlook(ranked, rates, reviewed(ranked, wrong, 0), ahead=0)


def test_votes_of_the_others_match_a_plain_loop() -> None:
    X, y = blobs(150, apart=1.5)
    evidence = Evidence(NeighborGraph.build(X, k=51), y, 4)
    for i in range(0, 150, 7):
        others = np.delete(np.arange(150), i)
        graph = NeighborGraph.build(X[others], X[i : i + 1], k=52)
        ks = adaptive_k(graph.train_ids, y[others])
        ids = graph.test_ids
        assert ids is not None
        expected = vote(ids[:, :51], y[others], int(ks[ids[0, 0]]), 1 / ks)
        assert evidence.wann_votes[i] == expected[0]


def test_removed_rows_are_nobodys_neighbors() -> None:
    X, _ = blobs(300)
    X[40:50] = X[40]
    graph = NeighborGraph.build(X, k=51)
    keep = np.random.RandomState(0).rand(300) > 0.1
    keep[40:44] = False
    left = engine._without(graph, X, keep, None)
    kept = np.flatnonzero(keep)
    expected = NeighborGraph.build(X[kept], X[~keep], k=51)
    np.testing.assert_array_equal(left.train_ids[keep], kept[expected.train_ids])
    np.testing.assert_array_equal(left.train_ids[~keep], kept[expected.test_ids])
    np.testing.assert_array_equal(left.train_distances[keep], expected.train_distances)
    few = np.arange(300) < 20
    assert engine._without(graph, X, few, None).train_ids.shape == (300, 19)


def test_before_and_after_of_a_perfect_review() -> None:
    given, wrong = noisy_blobs(800, 0.3)
    _, y = blobs(800, apart=4.0)
    letters = np.array(list("abcd"))
    seen = verdicts(
        *(
            ("train", int(r), letters[given.train.y[r]], "relabel", letters[y[r]])
            for r in np.flatnonzero(wrong)[:150]
        ),
        *(
            ("train", int(r), letters[given.train.y[r]], "remove", None)
            for r in np.flatnonzero(wrong)[150:]
        ),
    )
    told: list[str] = []
    known = dataclasses.replace(given, train=dataclasses.replace(given.train, clean=y))
    table = before_after(known, seen, progress=lambda done, total, text: told.append(text))
    assert list(table) == [
        "method",
        "fitted",
        "judged",
        "rows",
        "accuracy",
        "low",
        "high",
        "gain",
        "gain_low",
        "gain_high",
    ]
    assert len(table) == 12 and told
    at = table.set_index(["method", "fitted", "judged"])
    for method in engine.METHODS:
        assert at.loc[(method, "given", "given"), "rows"] == 800
        assert at.loc[(method, "corrected", "corrected"), "rows"] == 800 - (wrong.sum() - 150)
        best = at.loc[(method, "corrected", "true")]
        assert best["accuracy"] > 0.95 and best["gain_high"] > 0
        assert at.loc[(method, "given", "given"), "accuracy"] < 0.75
        assert np.isnan(at.loc[(method, "given", "true"), "gain"])
        gain = best["accuracy"] - at.loc[(method, "given", "true"), "accuracy"]
        assert best["gain"] == pytest.approx(gain)
    # The very fits of the audit, on the given labels.
    rows = labeled_rows(given)
    right = OutOfFold(rows.X, rows.labels, 4).probabilities().argmax(axis=1) == rows.labels
    same = at.loc[("logistic regression", "given", "given"), "accuracy"]
    assert same == pytest.approx(right.mean())


def test_no_verdicts_change_nothing() -> None:
    table = before_after(datasets.load("digits", "pixels"), verdicts())
    pairs = table.groupby(["method", "judged"])["accuracy"].nunique()
    assert (pairs == 1).all() and len(table) == 8
    assert (table["gain"].dropna() == 0).all()
    assert table["accuracy"].min() > 0.9


def test_too_little_left_is_refused() -> None:
    X, y = blobs(12)
    small = dataset(X, y % 2)
    gone = [("train", int(i), "ab"[y[i] % 2], "remove", None) for i in np.flatnonzero(y % 2)]
    with pytest.raises(WannError, match="fewer than two classes"):
        before_after(small, verdicts(*gone))
    with pytest.raises(WannError, match="two classes in every fold"):
        before_after(small, verdicts(*gone[:-1]))

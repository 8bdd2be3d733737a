from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import reference
from wann_core.errors import WannError
from wann_core.noise.patterns import add_noise, matrix_rows
from wann_core.typing import Array

PUBLISHED_MAPS = {
    "cifar10": {9: 1, 2: 0, 3: 5, 5: 3, 4: 7},
    "mnist": {7: 1, 2: 7, 5: 6, 6: 5, 3: 8},
    "dermamnist": {0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 0},
    "cifar100": {c: c - 4 if c % 5 == 4 else c + 1 for c in range(100)},
}


class Problem(NamedTuple):
    labels: Array
    n_classes: int
    X: Array
    matrix: Array
    ratio: float
    seed: int

    def noise(self, pattern: str, draw: str, rng: np.random.RandomState | None = None) -> Any:
        return add_noise(
            self.labels,
            pattern,
            self.ratio,
            rng=rng or np.random.RandomState(self.seed),
            n_classes=self.n_classes,
            draw=draw,
            X=self.X,
            matrix=self.matrix,
        )

    def expected_matrix(self, pattern: str, n_classes: int) -> Array:
        if pattern == "matrix":
            return self.matrix
        if pattern == "sym":
            return reference.symmetric_matrix(self.ratio, n_classes)
        if pattern == "asym":
            return reference.next_class_matrix(self.ratio, n_classes)
        T = np.eye(n_classes)
        means = {c: self.X[self.labels == c].mean(axis=0) for c in np.unique(self.labels)}
        for c, mean in means.items():
            distances = {t: np.linalg.norm(mean - m) for t, m in means.items() if t != c}
            if distances:
                T[c, c], T[c, min(distances, key=distances.__getitem__)] = (
                    1 - self.ratio,
                    self.ratio,
                )
        return T


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Labels of 2 to 6 classes, some perhaps without rows, and all that noise may need."""
    counts = draw(st.lists(st.integers(0, 25), min_size=2, max_size=6).filter(lambda c: sum(c[1:])))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.RandomState(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    labels.setflags(write=False)
    matrix = rng.dirichlet(np.full(len(counts), 0.5), len(counts))
    ratio = draw(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 0.5, 1.0])))
    return Problem(labels, len(counts), rng.randn(len(labels), 3), matrix, ratio, seed)


def pair_counts(clean: Array, noisy: Array, n_classes: int) -> Array:
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (clean, noisy), 1)
    return counts


@pytest.mark.parametrize("pattern", ["sym", "asym", "similar", "matrix"])
@given(problem=problems())
def test_exact_draws_meet_every_expectation_to_within_a_row(pattern: str, problem: Problem) -> None:
    noisy = problem.noise(pattern, "exact")
    T = problem.expected_matrix(pattern, problem.n_classes)
    expected = T * np.bincount(problem.labels, minlength=problem.n_classes)[:, None]
    realized = pair_counts(problem.labels, noisy.labels, problem.n_classes)
    assert np.abs(realized - expected).max() < 1 + 1e-6
    assert abs(np.trace(realized) - np.trace(expected)) < 1
    assert (np.abs(np.diag(realized) - np.diag(expected)) < 1 + 1e-6).all()


@given(problem=problems())
def test_exact_symmetric_noise_realizes_the_asked_ratio(problem: Problem) -> None:
    noisy = problem.noise("sym", "exact")
    n = len(problem.labels)
    # No whole number of rows comes closer to what is asked.
    assert abs(noisy.ratio * n - problem.ratio * n) < 0.5 + 1e-6


@pytest.mark.parametrize("pattern", ["sym", "asym", "similar", "matrix"])
@given(problem=problems())
def test_reference_draws_equal_the_published_ones(pattern: str, problem: Problem) -> None:
    ours, theirs = (np.random.RandomState(problem.seed) for _ in range(2))
    noisy = problem.noise(pattern, "reference", ours)
    # Published symmetric noise knows the classes up to the highest that occurs.
    size = int(problem.labels.max()) + 1 if pattern == "sym" else problem.n_classes
    T = problem.expected_matrix(pattern, size)
    assert np.array_equal(noisy.labels, reference.matrix_flips(problem.labels, T, theirs))
    assert ours.random_sample() == theirs.random_sample()  # as many numbers were drawn


@given(problem=problems())
def test_reference_instance_noise_equals_a_draw_per_row(problem: Problem) -> None:
    ours, theirs = (np.random.RandomState(problem.seed) for _ in range(2))
    noisy = problem.noise("instance", "reference", ours)
    expected = reference.instance_flips(problem.labels, problem.X, problem.ratio, theirs)
    assert np.array_equal(noisy.labels, expected)
    assert ours.random_sample() == theirs.random_sample()


@given(problem=problems())
def test_exact_instance_noise_flips_the_likeliest_rows(problem: Problem) -> None:
    noisy = problem.noise("instance", "exact")
    labels, n = problem.labels, len(problem.labels)
    flipped = noisy.labels != labels
    assert flipped.sum() == round(problem.ratio * n)
    P = reference.instance_probabilities(
        labels, problem.X, problem.ratio, problem.n_classes, np.random.RandomState(problem.seed)
    )
    stay = P[np.arange(n), labels]
    assert stay[flipped].max(initial=0) <= stay[~flipped].min(initial=1)
    P[np.arange(n), labels] = -1
    assert np.array_equal(noisy.labels[flipped], P.argmax(axis=1)[flipped])


@pytest.mark.parametrize("draw", ["reference", "exact"])
@pytest.mark.parametrize("pattern", ["sym", "asym", "instance", "similar", "matrix"])
@given(problem=problems())
def test_what_really_happened_is_reported(pattern: str, draw: str, problem: Problem) -> None:
    before = problem.labels.copy()
    noisy = problem.noise(pattern, draw)
    assert np.array_equal(problem.labels, before)
    assert noisy.labels.dtype == np.int64
    assert noisy.ratio == np.mean(noisy.labels != before)
    counts = pair_counts(before, noisy.labels, problem.n_classes)
    rows = counts.sum(axis=1, keepdims=True)
    expected = np.where(rows > 0, counts / np.maximum(rows, 1), np.eye(problem.n_classes))
    np.testing.assert_allclose(noisy.transition_matrix, expected)
    np.testing.assert_allclose(noisy.transition_matrix.sum(axis=1), 1)


@pytest.mark.parametrize("draw", ["reference", "exact"])
@pytest.mark.parametrize("pattern", ["sym", "asym", "instance", "similar", "matrix"])
def test_equal_seeds_give_equal_flips_and_others_do_not(pattern: str, draw: str) -> None:
    rng = np.random.RandomState(0)
    labels, X = rng.randint(0, 4, 200), rng.randn(200, 5)
    problem = Problem(labels, 4, X, rng.dirichlet(np.ones(4), 4), 0.3, seed=1)
    first, again = problem.noise(pattern, draw), problem.noise(pattern, draw)
    other = problem._replace(seed=2).noise(pattern, draw)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, other.labels)


@pytest.mark.parametrize(
    ("n_classes", "rows", "asked", "reference_ratio"), [(100, 50, 0.2, 0.0), (10, 50, 0.4, 0.36)]
)
def test_published_draws_shrink_where_exact_ones_do_not(
    n_classes: int, rows: int, asked: float, reference_ratio: float
) -> None:
    labels = np.repeat(np.arange(n_classes), rows)
    for draw, expected in (("reference", reference_ratio), ("exact", asked)):
        noisy = add_noise(labels, "sym", asked, rng=np.random.RandomState(0), draw=draw)
        assert noisy.ratio == pytest.approx(expected)


@pytest.mark.parametrize("draw", ["reference", "exact"])
@pytest.mark.parametrize("dataset", PUBLISHED_MAPS)
def test_published_asymmetric_maps(dataset: str, draw: str) -> None:
    n_classes = {"cifar100": 100, "dermamnist": 7}.get(dataset, 10)
    labels = np.repeat(np.arange(n_classes), 5)
    noisy = add_noise(labels, "asym", 1.0, rng=np.random.RandomState(0), dataset=dataset, draw=draw)
    expected = [PUBLISHED_MAPS[dataset].get(int(c), c) for c in labels]
    assert noisy.labels.tolist() == expected


@pytest.mark.parametrize("dataset", ["", "digits", "cifar10-n/worse", "CIFAR10"])
def test_other_data_sets_flip_to_the_next_class(dataset: str) -> None:
    labels = np.array([0, 1, 2, 0])
    noisy = add_noise(labels, "asym", 1.0, rng=np.random.RandomState(0), dataset=dataset)
    assert noisy.labels.tolist() == [1, 2, 0, 1]


def test_published_map_leaves_out_classes_that_are_not_there() -> None:
    # Four classes named cifar10: 2 → 0 remains, 3 → 5 does not.
    noisy = add_noise(
        np.arange(4), "asym", 1.0, rng=np.random.RandomState(0), dataset="cifar10", n_classes=4
    )
    assert noisy.labels.tolist() == [0, 1, 0, 3]


def test_exact_symmetric_noise_reaches_classes_that_only_have_a_name() -> None:
    noisy = {
        draw: add_noise(
            np.repeat([0, 1], 30), "sym", 1.0, rng=np.random.RandomState(0), n_classes=3, draw=draw
        ).labels
        for draw in ("exact", "reference")
    }
    assert 2 in noisy["exact"]
    assert 2 not in noisy["reference"]


def test_no_pattern_changes_and_draws_nothing() -> None:
    rng = np.random.RandomState(0)
    noisy = add_noise(np.array([0, 2, 1]), None, 0.5, rng=rng)
    assert noisy.labels.tolist() == [0, 2, 1]
    assert noisy.ratio == 0
    assert rng.random_sample() == np.random.RandomState(0).random_sample()


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (None, "needs a `transition_matrix`"),
        (np.eye(2), r"must be 3 × 3 .* got 2 × 2"),
        (np.full((3, 2), 0.5), r"got 3 × 2"),
        ([1.0, 0.0, 0.0], r"must be 3 × 3 .* got 3"),
        ([["a", "b", "c"]] * 3, "must hold numbers only, 3 a row"),
        ([[1, 0, 0], [0, 1], [0, 0, 1]], "must hold numbers only, 3 a row"),
        ([[1, 0, 0], [-0.5, 1, 0.5], [0, 0, 1]], "between 0 and 1"),
        ([[1, 0, 0], [0, 1, 0], [0, -1, 2]], "between 0 and 1"),
        ([[1, 0, 0], [0, np.nan, 1], [0, 0, 1]], "between 0 and 1"),
        ([[1, 0, 0], [0, 1, 0], [0.2, 0.2, 0.5]], "row 2 sums to 0.9"),
        ([[1, 0, 0], [0.5, 0.5, 0.1], [0, 0, 1]], "row 1 sums to 1.1"),
    ],
)
def test_matrix_errors_name_the_fault(matrix: Any, sentence: str) -> None:
    with pytest.raises(WannError, match=sentence) as caught:
        add_noise(np.array([0, 1, 2]), "matrix", rng=np.random.RandomState(0), matrix=matrix)
    assert caught.value.field == "transition_matrix"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pattern": "symmetric"}, "`noise_pattern` must be one of sym, asym"),
        ({"ratio": 1.01}, "`noise_ratio` must be a number between 0 and 1, got 1.01"),
        ({"ratio": -0.1}, "`noise_ratio` must be a number between 0 and 1"),
        ({"ratio": float("nan")}, "`noise_ratio` must be a number between 0 and 1"),
        ({"draw": "fair"}, "`draw` must be one of reference, exact"),
        ({"n_classes": 2}, "`n_classes` must be a whole number of at least 3"),
        ({"pattern": "instance"}, "'instance' needs `X`, one row a label"),
        ({"pattern": "similar", "X": np.zeros((2, 4))}, "'similar' needs `X`, one row a label"),
        ({"labels": np.zeros(3, int)}, "symmetric noise needs at least 2 classes"),
        (
            {"labels": np.zeros(3, int), "pattern": "instance", "X": np.zeros((3, 1))},
            "instance noise needs at least 2 classes",
        ),
    ],
)
def test_other_errors_name_the_fault(change: dict[str, Any], sentence: str) -> None:
    asked = {"labels": np.array([0, 1, 2]), "pattern": "sym", "ratio": 0.2, **change}
    with pytest.raises(WannError, match=sentence):
        add_noise(**asked, rng=np.random.RandomState(0))


def test_similar_noise_of_a_single_class_has_nowhere_to_go() -> None:
    noisy = add_noise(
        np.zeros(4, int), "similar", 1.0, rng=np.random.RandomState(0), X=np.zeros((4, 2))
    )
    assert noisy.ratio == 0


def test_matrix_rows_are_hashable() -> None:
    assert matrix_rows(np.eye(2)) == ((1.0, 0.0), (0.0, 1.0))
    hash(matrix_rows([[1, 0], [0, 1]]))

"""Which rows a probe is trained and validated on, under which labels and statistics."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from tests.helpers import reference
from tests.helpers.probing import NOISY, small, tasks_of
from wann_core import Scenario, WannError, add_noise
from wann_core.datasets import Split
from wann_core.experiments.probe_data import Source


def test_validation_rows_are_drawn_after_the_noise_by_noisy_labels() -> None:
    data, scenario = small(), dataclasses.replace(NOISY, seed=5, draw="reference")
    (made,) = tasks_of([scenario], data)
    rng = np.random.RandomState(5)
    noisy = add_noise(data.train.y, "sym", 0.3, rng=rng, n_classes=4).labels
    train_rows, val_rows = train_test_split(
        np.arange(400), test_size=0.15, stratify=noisy, random_state=rng
    )
    np.testing.assert_array_equal(made.train, train_rows)
    np.testing.assert_array_equal(made.val, val_rows)
    np.testing.assert_array_equal(made.y_train, noisy[train_rows])
    np.testing.assert_array_equal(made.y_val, noisy[val_rows])
    assert made.noise_ratio == (noisy != data.train.y).mean()
    np.testing.assert_array_equal(
        made.clean_labels, data.train.y[np.concatenate([train_rows, val_rows])]
    )


@pytest.mark.parametrize("own_validation", [False, True])
def test_validation_rows_come_after_all_draws_of_published_instance_noise(
    own_validation: bool,
) -> None:
    data = small(val=own_validation)
    scenario = dataclasses.replace(NOISY, seed=5, noise_pattern="instance", draw="reference")
    (made,) = tasks_of([scenario], data)
    rng = np.random.RandomState(5)
    noisy = reference.instance_flips(data.train.y, data.train.X, 0.3, rng)
    if own_validation:
        assert data.val is not None
        expected = reference.instance_flips(data.val.y, data.val.X, 0.3, rng)
        np.testing.assert_array_equal(made.y_train, noisy)
    else:
        _, val_rows = train_test_split(
            np.arange(400), test_size=0.15, stratify=noisy, random_state=rng
        )
        np.testing.assert_array_equal(made.val, val_rows)
        expected = noisy[val_rows]
    np.testing.assert_array_equal(made.y_val, expected)


def test_statistics_are_those_of_the_training_rows_alone() -> None:
    (made,) = tasks_of([NOISY], small())
    X = made.X[made.train].astype(np.float64)
    np.testing.assert_allclose(made.mean, X.mean(axis=0))
    np.testing.assert_allclose(made.scale[:-1], 1 / X[:, :-1].std(axis=0))
    assert made.scale[-1] == 0  # the constant feature


@pytest.mark.parametrize("how", ["l2", "none"])
def test_other_normalizations_have_no_statistics(how: str) -> None:
    (made,) = tasks_of([dataclasses.replace(NOISY, normalization=how)], small())
    assert not made.mean.any()
    assert (made.scale == 1).all()
    if how == "l2":
        np.testing.assert_allclose(np.linalg.norm(made.X, axis=1), 1, rtol=1e-5)


def test_subsample_gets_25_validation_rows_a_class_on_top() -> None:
    scenario = Scenario(seed=3, num_subsamples=120)
    (made,) = tasks_of([scenario], small())
    drawn, _ = train_test_split(
        np.arange(400), train_size=220, stratify=small().train.y, random_state=3
    )
    assert (len(made.train), len(made.val)) == (120, 100)
    assert set(drawn) == {*made.train, *made.val}


def test_own_validation_split_gets_its_noise_after_the_training_rows() -> None:
    data = small(val=True)
    (made,) = tasks_of([dataclasses.replace(NOISY, seed=2, draw="reference")], data)
    rng = np.random.RandomState(2)
    for given, clean in ((made.y_train, data.train.y), (made.y_val, data.test.y)):  # type: ignore[union-attr]
        expected = add_noise(clean, "sym", 0.3, rng=rng, n_classes=4).labels
        np.testing.assert_array_equal(given, expected)
    np.testing.assert_array_equal(made.X[made.val], data.val.X)  # type: ignore[union-attr]
    (few,) = tasks_of([Scenario(num_subsamples=120)], data)
    assert (len(few.train), len(few.val)) == (120, 100)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reduction": "PCA"}, "linear probes take embeddings without reduction, got 'PCA'"),
        ({"num_subsamples": 301}, "`num_subsamples` of a linear probe must leave 100 of 400 rows"),
    ],
)
def test_refused_scenarios(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(WannError, match=says):
        tasks_of([dataclasses.replace(NOISY, **changes)], small())


def test_refused_without_test_rows() -> None:
    with pytest.raises(WannError, match="need test rows, which data set 'small' does not have"):
        Source.of(dataclasses.replace(small(), test=None), "zscore")


def test_refused_where_a_class_cannot_be_split() -> None:
    data = small()
    y = np.zeros(400, np.int64)
    y[0] = 1
    data = dataclasses.replace(data, train=Split(data.train.X, y, data.train.ids))
    with pytest.raises(WannError, match=r"class 1 has 1\)"):
        tasks_of([Scenario()], data)

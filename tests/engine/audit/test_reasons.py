"""Why a label is doubted: the rows that are shown for and against it."""

import numpy as np
import pytest

from wann_core.audit.label_audit import audit
from wann_core.audit.reasons import best_others, reasons
from wann_core.audit.result import Audit
from wann_core.datasets.dataset import Dataset, Split


def three_blobs(copies: bool = False) -> Dataset:
    """Three far blobs of 40 rows in 4 dimensions; row 0 has the label of the second blob."""
    rng = np.random.default_rng(0)
    true = np.repeat(np.arange(3), 40)
    X = (rng.normal(size=(120, 4)) + 12 * np.eye(4)[true]).astype(np.float32)
    y = true.copy()
    y[0] = 1
    if copies:
        X[1] = X[0]
    X[-1] += 300
    train = Split(X, y, np.arange(1000, 1120))
    return Dataset("blobs", "none", ("ant", "bee", "cat"), train, None)


@pytest.fixture(scope="module", params=[False, True], ids=["neighbors", "probe"])
def found(request: pytest.FixtureRequest) -> Audit:
    return audit(three_blobs(), probe=request.param)


def test_a_wrong_label_has_its_own_blob_against_it(found: Audit) -> None:
    why = reasons(found, 0)
    assert (why.position, why.given, why.likely[0]) == (0, 1, 0)
    labels = found.rows.labels
    # Nearest first: the other 39 rows of its blob come before any other.
    assert len(why.opposing) == 39
    np.testing.assert_array_equal(labels[why.opposing], 0)
    np.testing.assert_array_equal(labels[why.agreeing], 1)
    near = found.evidence.ids[0]
    np.testing.assert_array_equal(near[labels[near] == 0], why.opposing)
    assert why.neighbors == len(near)
    assert sorted(why.likely.tolist()) == [0, 2]
    if found.evidence.probe is None:
        assert why.probe_shares is None
    else:
        assert why.probe_shares is not None
        own, rival = why.probe_shares
        assert own < rival
        np.testing.assert_allclose(why.probe_shares, found.evidence.probe_shares[0, [1, 0]])


def test_the_best_other_class_is_the_predicted_one_where_that_differs(found: Audit) -> None:
    table, others = found.table, best_others(found.evidence)
    differs = (table["predicted_label_id"] != table["given_label_id"]).to_numpy()
    assert differs[0] and not differs.all()
    assert (others[differs] == table["predicted_label_id"].to_numpy()[differs]).all()
    assert (others != found.rows.labels).all()
    for position in (0, 5, 119):
        assert reasons(found, position).likely[0] == others[position]


def test_an_outlier_is_remote_and_most_rows_are_not(found: Audit) -> None:
    assert reasons(found, 119).remoteness > 10
    usual = [reasons(found, i).remoteness for i in range(119)]
    assert 0.7 < np.median(usual) < 1.3


def test_copies_are_each_others_twins() -> None:
    found = audit(three_blobs(copies=True), probe=False)
    assert reasons(found, 0).twins.tolist() == [1]
    assert reasons(found, 1).twins.tolist() == [0]
    assert not len(reasons(found, 50).twins)

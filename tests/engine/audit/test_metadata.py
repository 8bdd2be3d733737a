"""Which annotator, month or site wrong labels come from, and that nobody is blamed for nothing."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from benchmarks.metadata import BAD, columns_of, wrong_labels
from tests.helpers.blobs import blobs
from wann_core import WannError
from wann_core.audit.arrays import audit_labels
from wann_core.audit.metadata import OTHERS, _holm, doubt_by_metadata, slices_of
from wann_core.audit.result import Audit


@cache
def planted(cause: str) -> tuple[Audit, pd.DataFrame, np.ndarray]:
    """An audit of blobs with ten classes, the columns of its rows, and which labels are wrong."""
    rng = np.random.default_rng(1)
    true = rng.permutation(np.arange(1500) % 10)
    X = (5 * np.eye(10, 12)[true] + rng.normal(size=(1500, 12))).astype(np.float32)
    columns = columns_of(len(X), rng)
    given = wrong_labels(true, columns, cause, rng)
    return audit_labels(X, given, probe=False), columns, given != true


@pytest.mark.parametrize(
    ("cause", "value"), [("annotator", f"a{BAD:02}"), ("month", "2024-05"), ("", "")]
)
def test_a_planted_cause_stands_first_and_nothing_else_is_blamed(cause: str, value: str) -> None:
    audit, columns, wrong = planted(cause)
    found = doubt_by_metadata(audit, columns)
    assert len(found) == 20 + 12 + 5
    alarms = found[found["alarm"]]
    assert alarms["value"].tolist() == ([value] if cause else [])
    parts = columns.assign(month=columns["month"].dt.strftime("%Y-%m"))
    held = 0
    for line in found.to_dict("records"):
        mine = (parts[line["column"]] == line["value"]).to_numpy()
        assert line["rows"] == mine.sum()
        held += line["low"] <= wrong[mine].sum() <= line["high"]
    assert held >= 0.9 * len(found)
    assert (found["low"] <= found["wrong"]).all() and (found["wrong"] <= found["high"]).all()


def test_who_labels_the_hard_class_is_not_blamed_for_it() -> None:
    # Half of the labels of class 0 are wrong; one annotator labels nothing else.
    X, true = blobs(1200, apart=6.0)
    rng = np.random.default_rng(0)
    given = np.where((true != 0) & (rng.random(1200) < 0.25), 0, true)
    who = np.where((given == 0) & (rng.random(1200) < 0.5), "hard", "easy")
    found = doubt_by_metadata(
        audit_labels(X, given, probe=False), pd.DataFrame({"who": who})
    ).set_index("value")
    share = found["wrong"] / found["rows"]
    assert share["hard"] > 2 * share["easy"] and not found["alarm"].any()


def test_small_values_count_together_and_one_value_says_nothing() -> None:
    audit, columns, _ = planted("")
    rare = pd.DataFrame({"id": np.arange(1500).astype(str), "all": ["same"] * 1500})
    assert not len(doubt_by_metadata(audit, rare))
    some = pd.DataFrame({"site": ["big"] * 1400 + [f"s{i}" for i in range(100)]})
    assert set(doubt_by_metadata(audit, some)["value"]) == {"big", OTHERS}
    with pytest.raises(WannError, match=r"one row a labeled row \(1,500\), got 3"):
        doubt_by_metadata(audit, columns[:3])


def test_rows_that_cannot_be_judged_do_not_count() -> None:
    X, y = blobs(600, apart=6.0)
    groups = np.where(y == 0, 0, 1 + np.arange(600))  # all of class 0 is one group
    audit = audit_labels(X, y, groups=groups, probe=False)
    site = pd.DataFrame({"site": np.where(np.arange(600) % 3, "a", "b")})
    found = doubt_by_metadata(audit, site)
    assert found["rows"].sum() == (y != 0).sum() == audit.noise.rows


def test_numbers_and_dates_are_cut_into_parts() -> None:
    assert slices_of(pd.Series([1, 2, 2])).tolist() == ["1", "2", "2"]
    parts = slices_of(pd.Series([*np.arange(100.0), np.nan]))
    assert parts.nunique() == 10 and parts.isna().sum() == 1 and parts[0] == "0 to 9.9"
    assert slices_of(pd.Series([0.5] * 5 + [np.nan])).tolist()[:1] == ["0.5"]
    years = pd.Series(pd.date_range("2000-01-01", "2024-01-01", freq="MS"))
    assert slices_of(years).nunique() == 25
    days = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02", None]))
    assert slices_of(days).tolist()[:2] == ["2024-01-01", "2024-01-02"]


def test_holms_correction() -> None:
    np.testing.assert_allclose(_holm(np.array([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06])
    assert len(_holm(np.empty(0))) == 0

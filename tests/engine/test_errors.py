import math
import pickle
import sys

import pytest

from wann_core.errors import WannError, check_choice, check_installed, check_number


@pytest.mark.parametrize("value", [1, 51, 1.5, 51.0])
def test_numbers_within_the_bounds_pass(value: float) -> None:
    check_number("k", value, 1, 51)


@pytest.mark.parametrize(
    "value", [0, 52, 0.999, -1, math.nan, math.inf, -math.inf, True, None, "11", [11], 1j]
)
def test_other_values_are_refused_with_name_range_and_value(value: object) -> None:
    with pytest.raises(WannError) as caught:
        check_number("k", value, 1, 51)
    assert str(caught.value) == f"`k` must be a number between 1 and 51, got {value!r}."
    assert caught.value.field == "k"


def test_numbers_of_hundreds_of_digits_are_refused() -> None:
    with pytest.raises(WannError, match="`k` must be a number between 1 and 51"):
        check_number("k", 10**400, 1, 51)


def test_whole_numbers_refuse_fractions() -> None:
    with pytest.raises(WannError, match=r"`k` must be a whole number of at least 1, got 1\.5\."):
        check_number("k", 1.5, 1, whole=True)


def test_choice_names_the_allowed_values() -> None:
    check_choice("draw", "exact", ("reference", "exact"))
    with pytest.raises(WannError) as caught:
        check_choice("draw", "other", ("reference", "exact"))
    assert str(caught.value) == "`draw` must be one of reference, exact; got 'other'."
    assert caught.value.field == "draw"
    with pytest.raises(WannError, match=r"; got 'anL_Ce' \(did you mean ANL_CE\?\)\.$"):
        check_choice("method", "anL_Ce", ("ANL_CE", "elr"))


def test_error_is_a_value_error_that_survives_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(WannError("no", "k")))
    assert isinstance(error, ValueError)
    assert (str(error), error.field) == ("no", "k")


def test_a_missing_package_is_named_with_the_line_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_installed("this test", "numpy")
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(WannError) as caught:
        check_installed("this test", "numpy", "umap", field="map")
    text = "this test needs umap, which is not installed: pip install 'wann-explorer[map]'."
    assert (str(caught.value), caught.value.field) == (text, "map")

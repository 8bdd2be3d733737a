"""Names of the conditions that pairs of runs were made under."""

import pandas as pd

from ui.results.compare import _conditions


def test_what_other_fields_decide_is_left_out_of_names() -> None:
    made = [
        ("digits", "pixels", "none", "", "none"),
        ("digits", "pixels", "sym 0.4", "exact", "none"),
        ("products", "resnet", "sym 0.4", "exact", "none"),
        ("products", "resnet", "sym 0.4", "exact", "LDA 2"),
    ]
    runs = pd.DataFrame(
        [(*one, 0.5, 0.6, 0.1 + 0.01 * seed) for one in made for seed in range(3)],
        columns=["dataset", "backbone", "noise", "draw", "reduction", *_SCORES],
    )
    found = _conditions(runs)
    assert found["condition"].to_list() == [
        "digits, none",
        "digits, sym 0.4",
        "products, sym 0.4",
        "products, sym 0.4, LDA 2",
    ]
    # The table beside the chart keeps all fields.
    assert found["backbone"].to_list() == ["pixels", "pixels", "resnet", "resnet"]
    # A backbone that the data set does not decide is named, and noise always is.
    runs.loc[runs.index[:3], "backbone"] = "resnet"
    assert _conditions(runs)["condition"].to_list()[:2] == [
        "digits, pixels, sym 0.4",
        "digits, resnet, none",
    ]


_SCORES = ["first", "second", "difference"]

"""The first screen: its curve, its two doors, what it says, and the way back to the defaults."""

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.apps import figures, opened
from tests.helpers.roots import ROOT
from ui.explore import noise_curve
from wann_core.methods.registry import BASELINES
from wann_core.paths import DEFAULT_ROOTS

PAGE = ROOT / "pages" / "overview.py"
CHANGED = {"ratio": 0.7, "bounds": (5, 21), "imbalance": 0.1, "seed": 7, "norm": "l2"}


def test_the_curve_of_the_first_screen_is_the_engines() -> None:
    table = noise_curve.compute(
        noise_curve.DEFAULT, DEFAULT_ROOTS, BASELINES, lambda done, total, text: None
    )
    shipped = noise_curve._read()
    assert list(shipped.columns) == list(table.columns)
    assert shipped["method_name"].to_list() == table["method_name"].to_list()
    np.testing.assert_allclose(shipped["noise_ratio"], table["noise_ratio"])
    np.testing.assert_allclose(shipped["accuracy"], table["accuracy"], atol=1e-6)


def curve(app: AppTest) -> dict[str, Any]:
    return figures(app)["noise-curve"]


@pytest.mark.parametrize("noise", ["sym", "asym"])
def test_the_marker_stands_at_the_ratio_and_the_marks_at_the_cards(noise: str) -> None:
    app = opened(PAGE, noise=noise, ratio=0.7)
    figure = curve(app)
    (line,) = figure["layout"]["shapes"]
    assert line["x0"] == line["x1"] == pytest.approx(70)
    marks = [t["y"] for t in figure["data"] if t["mode"] == "markers"]
    cards = " ".join(block.proto.body for block in app.get("html"))
    assert [f"{y:.1f} %" in cards for (y,) in marks] == [True] * 4


def test_settings_go_back_to_their_defaults() -> None:
    app = opened(PAGE, **CHANGED)
    (more,) = (e for e in app.sidebar.get("expander") if e.label == "More settings")
    assert more.proto.expanded  # what is not at its default is in sight
    next(b for b in app.button if b.label == "Reset settings").click()
    app.run()
    for key, value in {"ratio": 0.4, "bounds": (11, 51), "imbalance": 1.0, "seed": 42}.items():
        assert app.session_state[key] == value
    assert app.session_state["norm"] == "zscore"
    (button,) = (b for b in app.button if b.label == "Reset settings")
    assert button.disabled


def test_settings_go_back_one_change_at_a_time() -> None:
    def undo() -> Any:
        return next(b for b in app.button if b.label == "Undo")

    def settings() -> tuple[Any, ...]:
        return tuple(app.session_state[key] for key in ("ratio", "bounds", "seed"))

    app = opened(PAGE)
    assert undo().disabled
    seen = [settings()]
    for change in ({"ratio": 0.7}, {"ratio": 0.8}, {"bounds": (5, 21), "seed": 7}):
        for key, value in change.items():
            app.session_state[key] = value
        app.run()
        seen.append(settings())
    assert undo().help.endswith("Bounds of the adaptive k, Seed.")
    next(b for b in app.button if b.label == "Reset settings").click()
    app.run()
    assert settings() == seen[0]
    for earlier in reversed(seen):
        undo().click()
        app.run()
        assert settings() == earlier
    assert undo().disabled
    app.session_state["ratio"] = 0.1
    app.run()
    assert undo().help == "Takes back the last change: Noise ratio."


def test_why_all_methods_fall_is_said_where_it_is_so() -> None:
    def said(**state: object) -> bool:
        return any("wrong majority" in info.value for info in opened(PAGE, **state).info)

    assert said(noise="asym", ratio=0.6)
    assert not said(noise="asym", ratio=0.4)
    assert not said(noise="sym", ratio=0.6)

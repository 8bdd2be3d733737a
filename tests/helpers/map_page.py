"""The Map page in tests: opened, and what its chart holds."""

import base64
import json
import time
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.roots import ROOT
from ui.explore.map import colors, views
from ui.explore.map.views import Points
from wann_core import Scenario
from wann_core.experiments.prepared import PreparedData

PAGE = ROOT / "pages" / "map.py"
NOISY = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact")
COLORS = (
    "observed",
    "true",
    "flipped",
    "reliability",
    "adaptive_k",
    "agreement",
    "predicted-WANN",
    "doubtful",
    "verdict",
    "density",
    "correct-kNN-11",
    "correct-WANN",
)


def opened(**state: object) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=120)
    for key, value in {"layout": "pca", **state}.items():
        app.session_state[key] = value
    return ready(app.run())


def ready(app: AppTest) -> AppTest:
    """Run again until the background work has ended."""
    for _ in range(120):
        assert not app.exception
        if app.get("plotly_chart") or any(button.label == "Show all" for button in app.button):
            return app
        time.sleep(0.5)
        app.run()
    pytest.fail("the chart did not come")


def chart(app: AppTest) -> dict[str, Any]:
    return dict(json.loads(app.get("plotly_chart")[0].proto.spec))


def array(spec: Any) -> np.ndarray:
    """A typed array as the figure carries it."""
    flat = np.frombuffer(base64.b64decode(spec["bdata"]), np.dtype(spec["dtype"]))
    return flat.reshape([int(n) for n in spec["shape"].split(",")]) if "shape" in spec else flat


def drawn_rows(app: AppTest) -> list[int]:
    found = [array(t["customdata"])[:, 1] for t in chart(app)["data"] if "customdata" in t]
    return sorted(np.concatenate(found).tolist())


def many(
    count: int, prepared: PreparedData, color: str, classes: int = 10, seed: int = 0
) -> Points:
    """Synthetic points with values that suit the coloring."""
    rng = np.random.default_rng(seed)
    xy = rng.normal(size=(count, 2)).astype(np.float32)
    observed = rng.integers(0, classes, count)
    kind = None if color == "density" else colors.of(color, prepared)
    held = observed if color in views.BY_CLASS else rng.random(count) / 10
    if isinstance(kind, colors.Kinds) and color not in views.BY_CLASS:
        held = rng.integers(0, len(kind.names), count) * (rng.random(count) < 0.2)
    places = np.arange(count, dtype=np.int32)
    ends = (float(xy.min()), float(xy.max()))
    side = ends[1] - ends[0]
    return Points(
        places,
        places + 7,
        xy,
        observed,
        held,
        count - count // 6,
        (ends[0], ends[0], side),
        (*ends, *ends),
    )


def payload(figure: dict[str, Any]) -> int:
    return len(go.Figure(figure).to_json())

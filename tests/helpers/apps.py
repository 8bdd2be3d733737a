"""Pages under Streamlit's AppTest, run until they come to rest."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

_SECONDS = 120


def opened(page: Path, **state: object) -> AppTest:
    """The page at rest, under this session state."""
    app = AppTest.from_file(page, default_timeout=_SECONDS)
    for key, value in state.items():
        app.session_state[key] = value
    return ready(app.run())


def ready(app: AppTest) -> AppTest:
    """Run again until nothing is searched or computed any more."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        assert not app.exception
        searching = any("searched once" in caption.value for caption in app.caption)
        if not searching and "Cancel" not in labels(app):
            return app
        time.sleep(0.2)
        app.run()
    pytest.fail("the page did not come to rest")


def plain(text: str) -> str:
    """Markdown without its escapes: what is read on the page."""
    return text.replace("\\", "").replace("\u2060", "")


def labels(app: AppTest) -> list[str]:
    """What is written on the buttons of the page itself, beside its settings."""
    return [button.label for button in app.main.button]


def press(app: AppTest, label: str) -> AppTest:
    """Press a button and wait for what follows."""
    next(button for button in app.button if button.label == label).click()
    return ready(app.run())


def figures(app: AppTest) -> dict[str, dict[str, Any]]:
    """The charts of a page in their order, by name, in Plotly's own form."""
    found = {}
    for element in app.main:
        if element.type == "plotly_chart":
            spec, identity = element.proto.spec, element.proto.id
        elif element.type == "bidi_component" and element.proto.component_name == "wann_plot":
            spec, identity = json.loads(element.proto.json)["figure"], element.proto.id
        else:
            continue
        found[identity.rpartition("chart_")[2]] = json.loads(spec)
    return found

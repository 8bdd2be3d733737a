"""The Data page, as tests drive it."""

import time
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.helpers.roots import ROOT
from tests.helpers.user_tables import write
from wann_core.datasets import load

PAGE = ROOT / "pages" / "data.py"


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click()
    app.run()


def until(app: AppTest, done: Callable[[], bool]) -> None:
    """Run the page again and again, as the browser does, until something is there."""
    for _ in range(150):
        if done():
            break
        time.sleep(0.2)
        app.run()
    assert done()
    assert not app.exception


def said(app: AppTest, sentence: str) -> bool:
    places = (app.success, app.info, app.warning, app.error, app.markdown, app.caption)
    return any(sentence in element.value.replace("\\", "") for p in places for element in p)


def digits_table(path: Path, form: str = "csv") -> Path:
    data = load("digits", "pixels")
    names = [f"digit {c}" for c in data.test.y]
    return write(path, {"embedding": data.test.X, "label": names}, form)

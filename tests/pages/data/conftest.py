"""The Data page over folders of a test."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.data_page import PAGE


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., AppTest]:
    """Opens the page over empty folders of this test, with these values in its session."""

    def opened(task: str, **state: object) -> AppTest:
        app = AppTest.from_file(PAGE, default_timeout=120)
        folders = {"databases": str(tmp_path / "db"), "data": str(tmp_path / "data")}
        for key, value in (folders | {"task": task} | state).items():
            app.session_state[key] = value
        return app.run()

    return opened

"""Every page opens on its own, and errors stand beside the control that caused them."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

PAGES = sorted(Path(__file__).resolve().parents[1].glob("pages/*.py"))


def opened(page: Path, **state: object) -> AppTest:
    app = AppTest.from_file(page, default_timeout=120)
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_opens(page: Path) -> None:
    app = opened(page)
    assert not app.exception
    assert app.title

"""A small audited data set, and a session's state."""

from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from tests.engine.audit.test_reasons import three_blobs
from ui.review.case.data import Case
from wann_core.audit.label_audit import audit
from wann_core.review.ledger import ledger_of


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No verdict, no result and no job of another test."""
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WANN_REVIEW_ROOT", str(tmp_path / "reviews"))
    monkeypatch.setenv("WANN_DATABASE_ROOT", str(tmp_path / "database"))
    st.cache_resource.clear()


@pytest.fixture
def blobs() -> Case:
    """Three blobs, of which row 0 is labeled wrongly, audited by neighbors."""
    data = three_blobs()
    return Case(data, audit(data, probe=False), ledger_of(data), "blobs")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The session's state, outside of any page."""
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)
    return state

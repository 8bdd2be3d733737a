"""Which folders a browser may name, and whose verdicts are recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers.apps import plain
from ui.shell import access
from wann_core.errors import WannError

ROOT = Path(__file__).resolve().parents[2]
OVERVIEW, DATA, AUDIT = (ROOT / f"pages/{name}.py" for name in ("overview", "data", "label_audit"))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server's own folders; whatever lies beside them is not its own."""
    for kind in ("DATABASE_ROOT", "DATASET_ROOT", "REVIEW_ROOT", "CACHE"):
        (tmp_path / kind).mkdir()
        monkeypatch.setenv(f"WANN_{kind}", str(tmp_path / kind))
    return tmp_path / "DATABASE_ROOT"


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Set the address that the server is bound to."""
    original = st.get_option
    told: dict[str, str | None] = {}

    def option(name: str) -> Any:
        return told["address"] if name == "server.address" else original(name)

    def bind(address: str | None) -> None:
        told["address"] = address
        monkeypatch.setattr(st, "get_option", option)

    yield bind


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_on_a_laptop_home_and_temporary_files_may_be_named(
    own: Path, bound: Any, tmp_path: Path, address: str
) -> None:
    bound(address)
    assert access.typed_path("~/photos") == Path.home() / "photos"
    assert access.typed_path(f"  {tmp_path}/new ") == tmp_path / "new"
    with pytest.raises(WannError, match=r"'/etc/passwd' is outside the folders .* WANN_ROOTS"):
        access.typed_path("/etc/passwd")


@pytest.mark.parametrize("address", ["0.0.0.0", None, "10.0.0.7", "::", "example.org"])
def test_for_others_there_are_the_servers_own_folders_only(
    own: Path, bound: Any, tmp_path: Path, address: str | None
) -> None:
    bound(address)
    assert access.typed_path(str(own / "x")) == own / "x"
    for place in ("~/photos", str(tmp_path / "other"), "/etc/passwd", f"{own}/../other"):
        with pytest.raises(WannError, match="is outside the folders"):
            access.typed_path(place)


def test_the_operator_names_the_folders(
    own: Path, bound: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANN_ROOTS", f"{tmp_path}/a:{tmp_path}/b")
    for address in ("127.0.0.1", "0.0.0.0"):
        bound(address)
        assert access.typed_path(f"{tmp_path}/b/c") == tmp_path / "b/c"
        # Not by the letters of its name.
        for place in (f"{tmp_path}/bc", "~"):
            with pytest.raises(WannError, match="is outside the folders"):
                access.typed_path(place)


def test_links_count_as_where_they_lead(own: Path, bound: Any, tmp_path: Path) -> None:
    bound("0.0.0.0")
    (tmp_path / "secret").write_text("a,b\n1,2\n")
    (own / "link").symlink_to(tmp_path)
    (own / "loop").symlink_to(own / "loop")
    with pytest.raises(WannError, match="is outside the folders"):
        access.typed_path(str(own / "link" / "secret"))
    for place in (str(own / "loop" / "x"), "\0", "x" * 5000):
        with pytest.raises(WannError, match="cannot be read"):
            access.typed_path(place)


def test_no_page_reads_what_a_link_or_a_field_names_outside(
    own: Path, bound: Any, tmp_path: Path
) -> None:
    bound("0.0.0.0")
    secret = tmp_path / "elsewhere"
    (secret / "d" / "b").mkdir(parents=True)
    np.savez(secret / "d/b/train.npz", embeddings=np.eye(4), labels=np.arange(4) % 2)
    (secret / "t.csv").write_text("e0,e1,label\n" + "1,2,TOPSECRET\n" * 4)
    asked = [
        (OVERVIEW, {"databases": secret}),
        (OVERVIEW, {"data": secret}),
        (DATA, {"task": "import", "table_path": secret / "t.csv"}),
        (DATA, {"task": "embed", "source": "folder", "embed_folder": secret}),
    ]
    for script, state in asked:
        app = AppTest.from_file(script, default_timeout=60)
        for key, value in state.items():
            app.session_state[key] = str(value)
        app.run()
        shown = plain("".join(error.value for error in app.error))
        assert "outside the folders" in shown, (script, state)
        assert "TOPSECRET" not in str(app)
    app = AppTest.from_file(OVERVIEW, default_timeout=60)
    app.query_params["databases"] = str(secret)
    app.run()
    assert "outside the folders" in plain("".join(error.value for error in app.error))


class _User(dict[str, Any]):
    """As `st.user` is where a login is set up."""


def test_who_is_logged_in_is_the_author(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "user", _User(is_logged_in=True, email="ann@example.org"))
    app = AppTest.from_file(AUDIT, default_timeout=60).run()
    (name,) = [field for field in app.text_input if field.label == "Your name"]
    assert (name.value, name.disabled) == ("ann@example.org", True)
    assert access.is_shared()


def test_nobody_sees_anything_before_the_login(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "user", _User(is_logged_in=False))
    assert access.must_log_in()
    for script in (ROOT / "app.py", AUDIT):
        app = AppTest.from_file(script, default_timeout=60).run()
        assert [button.label for button in app.button] == ["Log in"]
        assert not app.sidebar.children.get(0)

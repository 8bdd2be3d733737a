"""Uploads are bounded, and go when nobody holds them."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.data_page import said
from ui.shell import uploads
from wann_core.errors import WannError


@pytest.mark.parametrize(
    ("name", "kept_as"),
    [
        ("../../evil.csv", "evil.csv"),
        ("..", "upload"),
        ("a\0b.npz", "a-b.npz"),
        ("ä 1.csv", "ä 1.csv"),
    ],
)
def test_upload_is_deleted_when_nobody_holds_it(name: str, kept_as: str) -> None:
    class Upload(io.BytesIO):
        file_id = "1"
        size = 3

    upload = Upload(b"abc")
    upload.name = name
    kept = uploads._stored(upload)
    path = kept.path
    assert path.name == kept_as
    assert path.read_bytes() == b"abc"
    del kept
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("bound", "reason"),
    [
        ("_MOST_OF_SESSION", "you keep as much as one session may"),
        ("_MOST_OF_ALL", "others keep much here"),
        ("_KEPT_FREE", "the server's disk is nearly full"),
    ],
)
def test_uploads_are_bounded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bound: str, reason: str
) -> None:
    uploads._check_room(100, tmp_path, 0)
    monkeypatch.setattr(uploads, bound, 1 << 60 if bound == "_KEPT_FREE" else 99)
    with pytest.raises(WannError, match=reason):
        uploads._check_room(100, tmp_path, 0)
    monkeypatch.setattr(uploads, "_MOST_OF_SESSION", 199)
    with pytest.raises(
        WannError, match=r"too large \(0.1 kB, where 0.099 kB may be\)|nearly|others"
    ):
        uploads._check_room(100, tmp_path, 100)


def test_an_upload_that_is_gone_is_reported(page: Callable[..., AppTest]) -> None:
    app = page("import")
    assert not said(app, "uploaded here is gone")
    app.query_params["_table_kept"] = "token of another server"
    app.run()
    assert said(app, "The table that was uploaded here is gone")

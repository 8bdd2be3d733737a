"""Images are opened by an explicit list of formats: Pillow would start Ghostscript for others."""

import ast
from pathlib import Path

import numpy as np
import pytest

from wann_core.datasets.decoding import decode
from wann_core.datasets.images import FORMATS, ImageSplit
from wann_core.errors import WannError

_PROJECT = Path(__file__).resolve().parents[3]
_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
# Pillow's readers that start a program or fetch something; none may ever be listed.
_NEVER = {"EPS", "WMF", "PDF", "FPX", "MIC", "GRIB", "BUFR", "HDF5"}


def _calls() -> list[tuple[str, ast.Call]]:
    found = []
    for folder in ("wann_core", "ui", "pages"):
        for path in (_PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "Image.open",
                    "PIL.Image.open",
                ):
                    found.append((f"{path.relative_to(_PROJECT)}:{node.lineno}", node))
    return found


def test_every_call_names_the_formats() -> None:
    calls = _calls()
    assert calls
    for place, call in calls:
        formats = [k.value for k in call.keywords if k.arg == "formats"]
        assert [ast.unparse(one) for one in formats] == ["FORMATS"], place


def test_no_listed_format_starts_a_program() -> None:
    assert not _NEVER & set(FORMATS)


def test_nobody_imports_the_opener_under_another_name() -> None:
    for folder in ("wann_core", "ui", "pages"):
        for path in (_PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "PIL.Image":
                    assert "open" not in [alias.name for alias in node.names], path


def test_postscript_under_an_image_name_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen.__init__", started)
    (tmp_path / "x.png").write_bytes(_EPS)
    with pytest.raises(WannError, match="not an image"):
        decode(ImageSplit(np.zeros(1, np.int64), tmp_path, ["x.png"]), 0)

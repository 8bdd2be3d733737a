"""What a wheel holds, and that it works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.roots import ROOT

pytestmark = pytest.mark.slow

_BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
_OPEN = """
from streamlit.testing.v1 import AppTest
from wann_core.cli.app import app_file
from wann_core.paths import DEFAULT_ROOTS, cache_folder

app = AppTest.from_file(str(app_file()), default_timeout=120).run()
assert not app.exception, app.exception
print(len(app.title), *DEFAULT_ROOTS, cache_folder(), sep="\\n")
"""
_FOLDERS = {"wann_core": "wann_core", "ui": "wann_explorer/ui", "pages": "wann_explorer/pages"}
_COPIED_FOLDERS = (*_FOLDERS, ".streamlit", "docs")
_COPIED_FILES = ("app.py", "setup.py", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, unpacked as an installer would."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in _COPIED_FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _COPIED_FILES:
        shutil.copy(ROOT / name, source)
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(place)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "installed")
    return place / "installed"


def run(installed: Path, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python in an empty folder, with the wheel on its path and another home."""
    home.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANN_", "XDG_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=home,
        env={**kept, "PYTHONPATH": str(installed), "HOME": str(home), "USERPROFILE": str(home)},
        capture_output=True,
        text=True,
    )


def test_the_wheel_holds_every_file_of_engine_and_dashboard(installed: Path) -> None:
    lacking = [
        path
        for folder, target in _FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        if not (installed / target / path.relative_to(ROOT / folder)).is_file()
    ]
    assert not lacking
    assert (installed / "wann_explorer/.streamlit/config.toml").is_file()
    documents = {path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")}
    assert all((installed / "wann_explorer" / path).is_file() for path in documents)
    tops = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"wann_core", "wann_explorer"}
    assert {path.name for path in (installed / "wann_explorer").glob("*.py")} == {"app.py"}
    (entry,) = installed.glob("*.dist-info/entry_points.txt")
    assert "wann = wann_core.cli.main:main" in entry.read_text()


def test_an_installed_dashboard_opens_and_keeps_to_the_users_folders(
    installed: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    done = run(installed, home, "-c", _OPEN)
    assert done.returncode == 0, done.stderr
    titles, *folders = done.stdout.splitlines()[-4:]
    assert titles == "1"
    for folder in folders:
        assert Path(folder).is_relative_to(home) and "wann-explorer" in folder
    assert not {path.name for path in home.iterdir()} & {"assets", "cache", "results.sqlite"}


def test_the_image_is_built_of_the_same_files() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = {
        name.removeprefix("./")
        for line in text.splitlines()
        if line.startswith("COPY") and "--from" not in line
        for name in line.split()[1:-1]
    }
    assert copied == {*_COPIED_FOLDERS, *_COPIED_FILES}
    allowed = (ROOT / ".dockerignore").read_text().split()
    assert {f"!{name}" for name in copied - {".streamlit"}} < {*allowed}
    assert "!.streamlit/config.toml" in allowed
    assert "\nUSER 10001\n" in text and "/_stcore/health" in text

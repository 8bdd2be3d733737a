"""Engine and dashboard without what only POSIX systems have, as on Windows."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.helpers.roots import ROOT
from wann_core.storage import files

LACKING = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog"}
_RUN = f"""
import builtins, importlib, os, pkgutil, sys

ours, imported = sys.argv[1], builtins.__import__

def refuse(name, globals=None, locals=None, fromlist=(), level=0):
    # Libraries go another way on Windows; our own files have one way for all systems.
    if name in {LACKING} and str((globals or {{}}).get("__file__", "")).startswith(ours):
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    return imported(name, globals, locals, fromlist, level)

builtins.__import__ = refuse
for name in ("fork", "getuid", "geteuid", "sched_getaffinity", "mkfifo", "chown"):
    delattr(os, name)

import wann_core
for module in pkgutil.walk_packages(wann_core.__path__, "wann_core."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

from wann_core.cli.main import main
flags = ["--backbone", "pixels", "--database_root", "db", "--no_probe", "--out", "issues.csv"]
assert main(["audit", "photos", *flags]) == 0

from streamlit.testing.v1 import AppTest
app = AppTest.from_file(ours + "/app.py", default_timeout=120).run()
assert not app.exception, app.exception
print("opened", len(app.title))
"""


def test_no_file_of_ours_imports_what_windows_lacks() -> None:
    for folder in ("wann_core", "ui", "pages"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {
                alias.name.partition(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            names |= {
                str(node.module).partition(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
            }
            assert not names & LACKING, path


@pytest.mark.slow
def test_engine_and_dashboard_run_without_it(tmp_path: Path) -> None:
    for number in range(12):
        place = tmp_path / "photos" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * number, 255 * (number % 2), 0)).save(place / f"{number}.png")
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(ROOT)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WANN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "opened 1"
    assert (tmp_path / "issues.csv").is_file()


def test_a_file_that_a_reader_has_open_is_replaced_once_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to replace it as long as it is open."""
    refused: list[Path] = []
    replace = Path.replace

    def busy(source: Path, target: Any) -> Path:
        if len(refused) < 3:
            refused.append(source)
            raise PermissionError(13, "the file is in use", str(target))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(files, "_RETRIES", files._RETRIES_ON_WINDOWS)
    target = tmp_path / "kept"
    target.write_bytes(b"old")
    files.write_atomically(target, lambda file: file.write(b"new"))
    assert (target.read_bytes(), len(refused)) == (b"new", 3)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]

"""`wann app` ends as its server does."""

import argparse
import subprocess
import sys
from importlib.util import find_spec

import pytest

from wann_core.cli import app

_ENDS = {
    "by itself": ("import sys; sys.exit(3)", 3),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
}


@pytest.mark.skipif(find_spec("streamlit") is None, reason="the dashboard is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("code", "status"), _ENDS.values(), ids=_ENDS)
def test_status_is_the_servers(code: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _: popen([sys.executable, "-c", code]))
    parser = argparse.ArgumentParser()
    app.add_parser(parser.add_subparsers())
    assert app.run(parser.parse_args(["app"])) == status

"""What the app imports before a page needs it."""

import subprocess
import sys

import pytest

from tests.helpers.roots import ROOT

PAGES = sorted(str(page) for page in ROOT.glob("pages/*.py"))
# Each costs seconds, and no page needs one before somebody asks it to embed or to train.
SLOW = ("torch", "torchvision", "timm", "medmnist", "umap")
_OPEN = f"""
import sys, time
from streamlit.testing.v1 import AppTest

for page in sys.argv[1:]:
    app = AppTest.from_file(page, default_timeout=120).run()
    while any("searched once" in caption.value for caption in app.caption):
        time.sleep(0.2)
        app.run()
    assert not app.exception, app.exception
    assert app.title, page
print("imported:", *(name for name in {SLOW} if name in sys.modules))
"""


@pytest.mark.slow
def test_pages_open_without_slow_imports() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, str(ROOT / "app.py"), *PAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"

"""What the documentation shows is carried out as it is written."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.browser import free_port, wait_for
from tests.helpers.forked import python
from tests.helpers.roots import ROOT

TASKS = sorted(path.stem for path in (ROOT / "docs" / "tasks").glob("*.md"))
_BLOCK = re.compile(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    file: str  # where the reader is told to put it
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "WANN_CACHE": str(folder / "cache")}


def stage(folder: Path) -> None:
    """Photos, embeddings, labels and predictions of a reader."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    for i, label in enumerate(labels):
        pixels = rng.normal(60 + 60 * label, 30, (24, 24, 3)).clip(0, 255).astype(np.uint8)
        place = folder / "photos" / "abc"[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{i:03}.png")
    X = (4 * np.eye(3, 8)[labels] + rng.normal(size=(120, 8))).astype(np.float32)
    given = labels.copy()
    given[:6] = (labels[:6] + 1) % 3
    np.savez(folder / "embeddings.npz", embeddings=X, labels=given)
    table = pd.DataFrame(X, columns=[f"e{j}" for j in range(8)])
    table.assign(label=np.array(["ant", "bee", "cat"])[given]).to_csv(
        folder / "embeddings.csv", index=False
    )
    np.save(folder / "labels.npy", given)
    np.save(folder / "pred_probs.npy", 0.8 * np.eye(3)[labels] + 0.2 / 3)


def carry_out(block: Block, folder: Path) -> None:
    """Run what a reader would run; put what a reader would save where it belongs."""
    if block.language not in ("python", "sh", "toml"):
        return
    if block.file:
        (folder / block.file).write_text(block.text)
        return
    calls = [("", "-c", block.text)] if block.language == "python" else python_calls(block.text)
    for plugins, *arguments in calls:
        env = environment(folder) | {"WANN_PLUGINS": plugins}
        done = python(*arguments, cwd=folder, env=env)
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


def python_calls(text: str) -> list[list[str]]:
    """How a shell script calls Python: each time the variable WANN_PLUGINS, and the arguments."""
    record = 'python() { printf "%s\\0" "${WANN_PLUGINS-}" "$@"; echo; }\n'
    done = subprocess.run(
        ["bash", "-euc", record + text], capture_output=True, text=True, check=True
    )
    return [line.split("\0")[:-1] for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TASKS if name != "proxy"])
def test_a_task_runs_as_written(name: str, tmp_path: Path) -> None:
    stage(tmp_path)
    found = blocks(ROOT / "docs" / "tasks" / f"{name}.md")
    assert any(block.language == "sh" for block in found) or name == "predictions"
    session = ""  # the Python of a page goes on where it was
    for block in found:
        if block.language == "python" and not block.file:
            session += block.text
            block = block._replace(text=session)
        carry_out(block, tmp_path)
    for file in re.findall(r"--(?:out|train_csv) (\S+)", "".join(b.text for b in found)):
        if (tmp_path / file).suffix == ".csv":
            assert len(pd.read_csv(tmp_path / file))


def test_the_index_names_every_task_and_each_is_a_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\(tasks/(\w+)\.md\)", index)) == TASKS
    for name in TASKS:
        assert len((ROOT / "docs" / "tasks" / f"{name}.md").read_text().splitlines()) <= 60


@pytest.mark.slow
def test_the_server_for_a_team_answers_below_its_path(tmp_path: Path) -> None:
    (block,) = (b for b in blocks(ROOT / "docs" / "tasks" / "proxy.md") if b.language == "sh")
    assert "--port 8501" in block.text
    port = free_port()
    words = block.text.replace("8501", str(port)).split()
    log = tmp_path / "log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, *words[1:]],
            cwd=ROOT,
            env=environment(tmp_path),
            stdout=file,
            stderr=file,
        )
        try:
            address = f"http://127.0.0.1:{port}/wann"
            wait_for(address, server, log)
            with urllib.request.urlopen(f"{address}/", timeout=30) as answer:
                assert b"<html" in answer.read()
        finally:
            server.terminate()
            server.wait(20)


@pytest.mark.slow
def test_a_loss_and_a_noise_pattern_as_contributing_says(tmp_path: Path) -> None:
    shown = (
        block
        for block in blocks(ROOT / "CONTRIBUTING.md")
        if block.language == "sh" or block.file.startswith("my_")
    )
    for block in shown:
        carry_out(block, tmp_path)
    assert set(pd.read_csv(tmp_path / "loss.csv")["method_name"]) == {"brier", "WANN"}
    rows = pd.read_csv(tmp_path / "noisy.csv")
    wrong = rows[rows["label"] != rows["clean_label"]]
    assert 0.2 < len(wrong) / len(rows) < 0.4
    assert (wrong["label"] == (wrong["clean_label"] + 1) % 10).all()


_OPEN = """
from streamlit.testing.v1 import AppTest
import time

app = AppTest.from_file("app.py", default_timeout=120).run()
app.switch_page("pages/label_counts.py").run()
while any("searched once" in caption.value for caption in app.caption):
    time.sleep(0.2)
    app.run()
assert not app.exception, app.exception
assert app.title[0].value == "Label counts"
table = app.dataframe[0].value
assert table["true labels"].sum() == table["given labels"].sum() == 1200
assert (table["true labels"] != table["given labels"]).any()
from ui.shell import navigation
assert "Label counts" in navigation._PAGES.values()
"""


@pytest.mark.slow
def test_a_page_as_contributing_says(tmp_path: Path) -> None:
    for name in ("pages", "ui"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", tmp_path)
    page, line = (b for b in blocks(ROOT / "CONTRIBUTING.md") if "/" in b.file)
    (tmp_path / page.file).write_text(page.text)
    pages = tmp_path / line.file
    start = "_PAGES = {\n"
    assert start in pages.read_text()
    pages.write_text(pages.read_text().replace(start, start + line.text, 1))
    done = python("-c", _OPEN, cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 0, done.stderr


def test_readme_is_short_and_its_commands_stand_as_they_are() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert "\npip install -r requirements.txt && streamlit run app.py\n" in text
    assert "\npip install -r requirements-dev.txt && pytest\n" in text


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_to_files(page: str) -> None:
    check_links(ROOT / page)


def test_links_of_the_docs_lead_to_files() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        check_links(page)


def check_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http", "mailto")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_make_lists_its_targets() -> None:
    if shutil.which("make") is None:
        pytest.skip("no make")
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in ("setup", "test", "lint", "bench", "docs"):
        assert f"{target} " in listed

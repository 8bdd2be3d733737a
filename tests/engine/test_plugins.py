"""Plug-in files and entry points, each in a process that knows nothing else."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.forked import python
from tests.helpers.plug_in import EXAMPLE
from tests.helpers.roots import ROOT
from wann_core.methods.registry import ALL_METHODS

_KNN = ["knn", "--dataset", "digits", "--backbone", "pixels", "--experiment_name", "t"]


def environment(tmp_path: Path, plugins: str, path: str = "") -> dict[str, str]:
    own = {"WANN_PLUGINS": plugins, "WANN_CACHE": str(tmp_path / "cache"), "PYTHONPATH": path}
    return os.environ | own


def command(
    tmp_path: Path, *argv: str, plugins: str, path: str = ""
) -> "subprocess.CompletedProcess[str]":
    return python("-m", "wann_core", *argv, cwd=ROOT, env=environment(tmp_path, plugins, path))


def knn(tmp_path: Path, method: str, *more: str, plugins: str, path: str = "") -> str:
    argv = (*_KNN, "--method", method, "--output_root", str(tmp_path), *more)
    done = command(tmp_path, *argv, plugins=plugins, path=path)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_file_is_known_to_the_command_and_to_its_processes(tmp_path: Path) -> None:
    noisy = ("--noise_pattern", "pair", "--noise_ratio", "0.2", "--num_subsamples", "100")
    assert knn(tmp_path, "extra-trees", *noisy, plugins=str(EXAMPLE)).startswith("[extra-trees] ")
    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[[grid]]\nmethod = ["extra-trees", "kNN-11"]\nnoise_pattern = "pair"\n'
        "noise_ratio = 0.2\nnum_subsamples = 100\nseed = [1, 2]\n"
    )
    argv = ("-m", "wann_core", "sweep", str(plan), "--backend", "processes", "--jobs", "2")
    # A program of its own: processes that it starts itself end with it.
    done = subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env=environment(tmp_path, str(EXAMPLE)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "refused" not in done.stderr and "extra-trees" in done.stdout


def test_the_neighbor_votes_of_the_examples_are_registered() -> None:
    try:
        runpy.run_path(str(EXAMPLE.with_name("neighbor_methods.py")))
        for name, belief in (("distance-kNN", 0), ("believed-kNN", "auto")):
            factory = ALL_METHODS[name].factory
            assert factory is not None and factory(3).belief == belief
    finally:
        for name in set(ALL_METHODS) & {"distance-kNN", "believed-kNN"}:
            ALL_METHODS.remove(name)


def dummy(answer: str) -> str:
    """The source of a plug-in whose method `mine` always gives one class."""
    return (
        "import wann_core as wann\nfrom sklearn.dummy import DummyClassifier\n"
        "wann.register_method(\n"
        f"    'mine', lambda seed: DummyClassifier(strategy='constant', constant={answer}))\n"
    )


@pytest.mark.slow
def test_other_code_under_the_same_name_is_run_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(dummy("0"))
    first = knn(tmp_path, "mine", plugins=str(file))
    assert "measured" not in first
    assert "measured" in knn(tmp_path, "mine", plugins=str(file))
    file.write_text(dummy("1"))
    second = knn(tmp_path, "mine", plugins=str(file))
    assert "measured" not in second and second.split(" (")[0] != first.split(" (")[0]


@pytest.mark.slow
def test_an_entry_point_registers(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "my_methods.py").write_text(
        "def register():\n    " + dummy("3").replace("\n", "\n    ").rstrip() + "\n"
    )
    info = tmp_path / "site" / "my_methods-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-methods\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[wann.plugins]\nmine = my_methods:register\n")
    out = knn(tmp_path, "mine", plugins="", path=str(tmp_path / "site"))
    assert out.startswith("[mine] ")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        (dummy("0") + "raise OSError('later')", "OSError: later"),
        (
            "import wann_core as w\nw.register_method('ce', print)",
            "'ce' is a loss already, built in",
        ),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_sentence(
    tmp_path: Path, source: str, sentence: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    done = command(tmp_path, *_KNN, "--method", "mine", plugins=str(file))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("python -m wann_core: the plug-in 'mine.py' cannot be loaded: ")
    assert sentence in line


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = command(tmp_path, *_KNN, plugins=str(tmp_path / "none.py"))
    assert done.returncode == 2
    assert "none.py' cannot be read: No such file or directory." in done.stderr

"""What `import wann_core` offers, and at what cost."""

import ast
import importlib
import re
import subprocess
import sys

import pytest

import wann_core as wann
from docs import make_api
from tests.helpers.plug_in import EXAMPLE
from tests.helpers.roots import ROOT

SLOW = {"torch", "sklearn", "faiss", "numba", "pandas", "scipy", "numpy"}


def test_the_package_imports_nothing_slow() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import wann_core"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")
    }
    assert "wann_core" in imported
    assert not imported & SLOW


@pytest.mark.parametrize("name", wann.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(wann, name) is not None
    assert name in dir(wann)


def test_type_checkers_read_the_same_names_from_the_same_places() -> None:
    homes = {}
    for node in ast.parse((ROOT / "wann_core" / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            homes |= {alias.name: node.module for alias in node.names}
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            assert sorted(ast.literal_eval(node.value)) == wann.__all__
    assert set(homes) == set(wann.__all__)
    for name, module in homes.items():
        assert module is not None
        home = importlib.import_module(module)
        assert getattr(home, name) is getattr(wann, name), name
    assert (ROOT / "wann_core" / "py.typed").exists()


def test_names_of_earlier_versions_and_unknown_ones() -> None:
    assert wann.Prepared is wann.PreparedData
    from wann_core.audit import audit
    from wann_core.datasets import load, tables
    from wann_core.datasets.dataset import Dataset, Split
    from wann_core.probing import evaluate_loss

    assert wann.audit.audit is audit and wann.datasets.load is load
    assert (wann.Dataset, wann.Split, wann.evaluate_loss) == (Dataset, Split, evaluate_loss)
    assert {"inspect", "read", "problems", "import_table"} <= set(tables.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wann.nothing  # type: ignore[attr-defined]


def test_the_list_of_public_names_is_current() -> None:
    assert make_api.FILE.read_text(encoding="utf-8") == make_api.text(), (
        "run python -m docs.make_api"
    )


def test_the_documented_plug_in_is_the_example() -> None:
    shown = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.S)
    assert shown is not None
    code = EXAMPLE.read_text()
    functions, _, calls = shown[1].partition("\nwann.register_method")
    assert functions.strip() in code
    names = re.findall(r"wann\.register_\w+\(\s*\"([\w-]+)\"", f"wann.register_method{calls}")
    assert names == re.findall(r"wann\.register_\w+\(\s*\"([\w-]+)\"", code)

"""What a plug-in registers, on the pages."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.apps import labels, opened, press, ready
from tests.helpers.forked import python
from tests.helpers.plug_in import EXAMPLE, example_registered
from tests.helpers.roots import ROOT

_OPTIONS = """
import sys
from streamlit.testing.v1 import AppTest

def options(page, *labels):
    app = AppTest.from_file(page, default_timeout=120).run()
    assert not app.exception, app.exception
    print(*(error.value for error in app.error))
    for label in labels:
        found = [w for w in (*app.button_group, *app.selectbox) if w.label == label]
        print(label, *(option for widget in found for option in widget.options), sep="|")

options("pages/compare.py", "Methods", "Noise pattern")
options("pages/sweeps.py", "Methods", "Noise patterns")
"""


@pytest.fixture
def example() -> Iterator[None]:
    with example_registered():
        yield


def choices(app: AppTest, label: str) -> list[str]:
    widgets = (*app.button_group, *app.selectbox)
    (found,) = (widget for widget in widgets if widget.label == label)
    return [getattr(option, "content", option) for option in found.options]


def test_compare_runs_and_results_list_what_is_registered(
    example: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path))
    app = opened(ROOT / "pages" / "compare.py", rows=200, noise="pair")
    assert {"extra-trees", "brier"} <= set(choices(app, "Methods"))
    assert "Pair flip" in choices(app, "Noise pattern")
    methods = next(widget for widget in app.button_group if widget.label == "Methods")
    methods.set_value(["kNN-11", "extra-trees"])
    next(slider for slider in app.slider if slider.label == "Seeds").set_value(1)
    app = ready(app.run())
    app = press(app, "Run")
    while "Run" in labels(app):
        app = ready(app.run())
    results = opened(ROOT / "pages" / "results.py")
    shown = " ".join(str(table.value.to_dict()) for table in results.dataframe)
    shown += " ".join(text.value for text in results.markdown)
    assert "extra-trees" in shown and "pair 0.4" in shown


def test_probes_offer_what_is_registered(example: None) -> None:
    app = opened(ROOT / "pages" / "probes.py", rows=200)
    assert "brier" in choices(app, "Linear probes, by loss")
    assert choices(app, "Other classifiers") == [
        "logistic regression on the audit's posterior",
        "co-teaching of two linear probes",
        "extremely randomized trees",
    ]


def fresh_server(plugins: Path) -> list[str]:
    done = python("-c", _OPTIONS, cwd=ROOT, env=os.environ | {"WANN_PLUGINS": str(plugins)})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_fresh_server_knows_the_file() -> None:
    lines = fresh_server(EXAMPLE)
    assert lines[0] == ""
    for line in (one for one in lines if one.startswith("Methods|")):
        assert {"extra-trees", "brier"} <= set(line.split("|"))
    for line in (one for one in lines if one.startswith("Noise pattern")):
        assert "Pair flip" in line.split("|")
    assert len(lines) == 6


@pytest.mark.slow
def test_a_plug_in_that_raises_is_one_sentence_and_the_pages_serve(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no luck')\n")
    lines = fresh_server(broken)
    sentence = lines[0].replace("\\", "")
    assert sentence == "the plug-in 'broken.py' cannot be loaded: RuntimeError: no luck."
    assert "WANN" in lines[1]

"""Where nobody knows the true labels, no page speaks of them."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers.apps import figures, opened, plain, press
from tests.helpers.roots import ROOT
from ui.pictures import selected_rows
from wann_core import Scenario, classify, datasets, prepare
from wann_core.datasets import Split, database
from wann_core.experiments import records
from wann_core.noise.known_errors import flip_for_practice
from wann_core.paths import Roots

CLAIM = re.compile(r"\b(true|clean|right|wrong|flipped)\b", re.IGNORECASE)
LOOK = ("overview", "map", "neighborhoods", "reliability", "k_bounds", "probes")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    st.cache_resource.clear()


def split(seed: int, n: int, clean: bool) -> Split:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = (4 * np.eye(3, 8)[y] + rng.normal(size=(n, 8))).astype(np.float32)
    given = np.where(rng.random(n) < 0.2, (y + 1) % 3, y)
    return Split(X, given, np.arange(n), y if clean else None)


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    """Two databases of the same rows: without clean labels, and with them."""
    for name, clean in (("own", False), ("known", True)):
        splits = {"train": split(0, 120, clean), "test": split(1, 60, clean)}
        database.write(tmp_path / "db", name, "tiny", splits, ("ant", "bee", "cow"), {})
    return Roots(tmp_path / "db", tmp_path)


def shown(app: AppTest) -> str:
    """All that a page says, but for the help of its controls."""
    texts: list[str] = []
    for kind in ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error"):
        texts += [str(element.value) for element in app.get(kind)]
    texts += [json.dumps(figure, separators=(",", ":")) for figure in figures(app).values()]
    for frame in app.dataframe:
        texts += [*map(str, frame.value.columns)]
    for kind in ("selectbox", "button_group", "multiselect", "radio"):
        for element in app.get(kind):
            options = getattr(element, "options", None) or ()
            texts += [str(getattr(option, "content", option)) for option in options]
    texts += [block.proto.body for block in app.get("html")]
    return "\n".join(texts)


@pytest.mark.parametrize("page", LOOK)
def test_no_page_speaks_of_a_truth_that_nobody_knows(page: str, roots: Roots) -> None:
    state = {"databases": str(roots.databases), "dataset": "own", "backbone": "tiny"}
    state["layout"] = "pca"  # of the map
    app = opened(ROOT / "pages" / f"{page}.py", **state)
    if page == "probes":
        app.session_state["losses"] = ["ce"]
        app = press(app, "Train")
    said = shown(app)
    # Booleans of a chart's own settings, and style sheets, are not what a page says.
    said = re.sub(r"(?<=[:\[,])(true|false)(?=[,\]}])", "", said)
    said = re.sub(r"(?s)<style>.*?</style>", "", said)
    assert not CLAIM.search(said), CLAIM.search(said)
    sidebar = " ".join(caption.value for caption in app.sidebar.caption)
    assert "Noise: not known. The label audit estimates it." in sidebar
    if page in ("overview", "reliability"):
        assert "The label audit estimates which ones are in error" in said
    if page in ("k_bounds", "probes"):
        assert "agreement with the given labels" in said
    if page == "k_bounds":
        axis = figures(app)["knn-by-k"]["layout"]["yaxis"]["title"]["text"]
        assert axis == "agreement with the given labels, %"
    # The same rows with clean labels do.
    known = opened(ROOT / "pages" / f"{page}.py", **{**state, "dataset": "known"})
    assert any("Realized noise: **" in caption.value for caption in known.sidebar.caption)


def test_neighborhoods_open_on_what_there_is(roots: Roots) -> None:
    state = {"databases": str(roots.databases), "backbone": "tiny"}
    page = ROOT / "pages" / "neighborhoods.py"
    app = opened(page, dataset="own", **state)
    assert app.session_state["show"] == "unreliable"
    app = opened(page, dataset="own", show="wrong", **state)  # as another data set had it
    assert app.session_state["show"] == "unreliable"
    assert opened(page, dataset="known", **state).session_state["show"] == "wrong"


def test_scores_are_called_what_they_are(roots: Roots) -> None:
    state = {"databases": str(roots.databases), "dataset": "own", "backbone": "tiny"}
    app = opened(ROOT / "pages" / "overview.py", **state)
    assert "Agreement with the given labels" in [heading.value for heading in app.header]
    spec = figures(app)["accuracy"]
    assert "agreement with the given test labels" in spec["layout"]["xaxis"]["title"]["text"]
    # With noise of our own, labels as they were given count as true; test labels never do.
    app = opened(ROOT / "pages" / "overview.py", added_noise="sym", **state)
    assert any("nobody has verified them" in caption.value for caption in app.sidebar.caption)
    assert "Where labels went" in [heading.value for heading in app.header]
    assert "Agreement with the given labels" in [heading.value for heading in app.header]


def test_noise_that_cannot_happen_is_reported_beside_its_control(roots: Roots) -> None:
    y = np.repeat([0, 2, 5], 40)
    X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32) + y[:, None]
    splits = {name: Split(X, y, np.arange(120)) for name in ("train", "test")}
    database.write(roots.databases, "holes", "tiny", splits, tuple("abcdef"), {})
    state = {"databases": str(roots.databases), "dataset": "holes", "backbone": "tiny"}
    app = opened(ROOT / "pages" / "k_bounds.py", added_noise="asym", draw="exact", **state)
    (warning,) = app.sidebar.warning
    assert plain(warning.value) == "32 went to classes that no row has (b, d)."


def columns(frame: pd.DataFrame) -> str:
    return " ".join(map(str, frame.columns)).replace("_", " ")


def test_no_table_has_a_column_of_a_truth_that_nobody_knows(roots: Roots) -> None:
    own = prepare(Scenario("own", "tiny"), roots)
    rows = np.arange(5)
    for frame in (
        records.training_rows(own),
        records.class_counts(own),
        pd.DataFrame([records.report_record(classify(own))]),
        selected_rows.table(own, "train", rows),
        selected_rows.table(own, "test", rows),
    ):
        assert not CLAIM.search(columns(frame)), columns(frame)
    record = records.report_record(classify(own))
    assert record["realised_noise"] is None
    assert record["judged_by"] == "given labels"


@pytest.mark.parametrize(
    ("name", "noise", "known", "assumed", "tests"),
    [
        ("own", 0.0, False, False, False),
        ("own", 0.4, True, True, False),
        ("known", 0.0, True, False, True),
        ("known", 0.4, True, False, True),
    ],
)
def test_what_is_known_of_the_truth(
    roots: Roots, name: str, noise: float, known: bool, assumed: bool, tests: bool
) -> None:
    asked = Scenario(name, "tiny", noise_pattern="sym", noise_ratio=noise, draw="exact")
    made = prepare(asked, roots)
    assert (made.truth_known, made.truth_assumed, made.test_truth_known) == (known, assumed, tests)


def test_benchmarks_are_known_and_what_is_only_called_so_is_not(tmp_path: Path) -> None:
    assert datasets.load("digits", "pixels").truth_known
    splits = {"train": split(0, 120, False), "test": split(1, 60, False)}
    names = tuple("0123456789")
    cases: dict[str, tuple[dict[str, Any], bool]] = {
        "embedded": ({"images": {"source": "torchvision"}}, True),
        "reviewed": ({"images": {"source": "torchvision"}, "review": {}}, False),
        "folder": ({"images": {"source": "imagefolder"}}, False),
        "table": ({}, False),
    }
    for root, (details, known) in cases.items():
        database.write(tmp_path / root, "mnist", "tiny", splits, names, details)
        data = datasets.load("mnist", "tiny", tmp_path / root, tmp_path)
        assert data.truth_known == data.test_truth_known == known, root


def test_errors_on_purpose_make_no_truth_of_labels_that_nobody_verified(roots: Roots) -> None:
    for name, known in (("own", False), ("known", True)):
        data = flip_for_practice(datasets.load(name, "tiny", *roots), "sym", 0.2)
        assert data.truth_known == known
    alone = dataclasses.replace(datasets.load("known", "tiny", *roots), test=None)
    assert alone.test_truth_known

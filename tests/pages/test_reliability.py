"""Reliability and k bounds without a browser: what they show, and when they have nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.engine.experiments.test_leave_one_out import write
from tests.helpers import apps
from tests.helpers.apps import opened, plain, ready
from tests.helpers.roots import ROOT
from ui.charts import heatmap_cell
from ui.shell import theme
from wann_core import Scenario, classify, prepare
from wann_core.datasets import Split, database
from wann_core.errors import WannError

PAGES = ROOT / "pages"
RELIABILITY, K_BOUNDS = PAGES / "reliability.py", PAGES / "k_bounds.py"
NEIGHBORHOODS = PAGES / "neighborhoods.py"
LONE = {"dataset": "lone", "backbone": "tiny"}
CHARTS = 6  # of the reliability page when all are there


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """No job of another test."""
    st.cache_resource.clear()


def texts(app: AppTest) -> str:
    boxes = (*app.info, *app.warning, *app.error, *app.markdown, *app.caption)
    return " ".join(box.value for box in boxes)


def figures(app: AppTest) -> list[dict[str, Any]]:
    return list(apps.figures(app).values())


def many_classes(root: Path, classes: int = 100) -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(classes, 8))
    splits = {}
    for name, each in (("train", 12), ("test", 3)):
        y = np.arange(each * classes) % classes
        X = (centers[y] + 0.3 * rng.normal(size=(len(y), 8))).astype(np.float32)
        splits[name] = Split(X, y, np.arange(len(y)))
    names = tuple(f"class {c}" for c in range(classes))
    database.write(root, "hundred", "tiny", splits, names, {})


def test_all_charts_of_the_built_in_digits() -> None:
    app = opened(RELIABILITY)
    charts = figures(app)
    assert len(charts) == CHARTS
    names = [trace["name"] for trace in charts[2]["data"]]
    assert [name.partition(":")[0] for name in names] == [
        "reliability η",
        "vote share",
        "η × vote share",
        "audit's neighbors",
    ]
    # Few thresholds are told by marks and joined straight; steps in the other chart.
    assert charts[2]["data"][0]["mode"] == "lines+markers"
    assert charts[2]["data"][1]["mode"] == "lines"
    assert {trace["line"]["shape"] for trace in charts[3]["data"]} == {"vh"}
    assert charts[3]["layout"]["annotations"][0]["text"] == "base rate 40.0 %"
    assert texts(app).count("Click a cell, or choose above") == 2


def test_clean_labels_have_an_empty_state() -> None:
    app = opened(RELIABILITY, noise="none")
    assert "No label is wrong. Choose a noise pattern" in texts(app)
    assert "No noise is added" in texts(app)
    charts = figures(app)
    assert len(charts) == 3  # the distribution, the classes, the pairs
    assert len(charts[0]["data"]) == 1


@pytest.mark.slow
def test_unknown_truth_has_an_empty_state_and_flips_can_be_made(tmp_path: Path) -> None:
    write(tmp_path)
    app = opened(RELIABILITY, databases=str(tmp_path), **LONE)
    assert "The labels of this data set are not verified" in texts(app)
    noisy = opened(RELIABILITY, databases=str(tmp_path), **LONE, added_noise="sym")
    assert len(figures(noisy)) == CHARTS


def test_known_wrong_labels_need_no_noise(tmp_path: Path) -> None:
    clean = np.arange(90) % 3
    clean[:12] = (clean[:12] + 1) % 3
    write(tmp_path, clean=clean)
    app = opened(RELIABILITY, databases=str(tmp_path), **LONE)
    charts = figures(app)
    assert len(charts) == 5  # all but the one along the ratio
    assert charts[3]["layout"]["annotations"][0]["text"] == "base rate 13.3 %"
    assert "No noise is added" in texts(app)


def test_only_wrong_labels_have_an_empty_state() -> None:
    app = opened(RELIABILITY, ratio=1.0)
    assert "Every label is wrong" in texts(app)
    assert len(figures(app)) == 4


def test_equal_bounds_are_explained() -> None:
    app = opened(RELIABILITY, bounds=(11, 11))
    assert "k_min and k_max are both 11" in texts(app)
    areas = [trace["name"] for trace in figures(app)[2]["data"]]
    assert areas[0] == "reliability η: AUROC 0.500"


def test_a_chosen_cell_shows_its_rows() -> None:
    app = opened(RELIABILITY, true=3, given=8, label=2, at_ratio=0.2, kind="flipped")
    p = prepare(Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact"))
    rows = ((p.clean_labels == 3) & (p.labels == 8)).sum()
    assert f"{rows} rows, true class **3**, given label **8**" in texts(app)
    q = prepare(Scenario(noise_pattern="sym", noise_ratio=0.2, draw="exact"))
    rows = ((q.clean_labels != 2) & (q.labels == 2)).sum()
    assert f"{rows} rows, given label **2**, noise ratio 0.2" in texts(app)
    tables = [frame.value for frame in app.dataframe if "given_label" in frame.value]
    assert set(tables[0]["true_class"]) == {"3"}
    assert set(tables[0]["given_label"]) == {"8"}
    assert tables[0]["reliability"].is_monotonic_increasing
    assert tables[1]["flipped"].all()
    # The links go to the ratio of the cell.
    # (at_ratio may be a parameter of its own, once the page has run again.)
    assert tables[1]["neighborhood"].str.contains("&ratio=0.2").all()
    assert not tables[0]["neighborhood"].str.contains("&ratio=0.2").any()


def test_a_picture_leads_to_its_neighborhood_under_the_ratio_of_the_cell() -> None:
    q = prepare(Scenario(noise_pattern="sym", noise_ratio=0.2, draw="exact"))
    found = np.flatnonzero(q.labels == 2)
    row = q.row_ids[found[np.argmin(q.reliability[found])]]
    app = opened(RELIABILITY, label=2, at_ratio=0.2, **{"_open_ratio-rows": f"train-{row}"})
    links = {link.proto.label: link for link in app.get("link_button")}
    assert set(links) == {f"{page} of row {row}" for page in ("Neighborhood", "Label audit")}
    link = links[f"Neighborhood of row {row}"]
    assert link.proto.url.startswith("/neighborhoods?")
    assert f"row={row}" in link.proto.url
    assert "ratio=0.2" in link.proto.url


def test_a_cell_without_rows_says_so() -> None:
    app = opened(RELIABILITY, noise="none", true=3, given=8)
    assert "There is no row here: true class **3**, given label **8**" in texts(app)


def test_a_whole_row_or_column_may_be_chosen() -> None:
    app = opened(RELIABILITY, given=8)
    p = prepare(Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact"))
    assert f"{(p.labels == 8).sum()} rows, given label **8**: mean" in texts(app)


def test_a_class_that_another_data_set_lacks_is_dropped(tmp_path: Path) -> None:
    write(tmp_path)
    app = opened(RELIABILITY, databases=str(tmp_path), true=7, given=8, added_noise="sym")
    app.selectbox(key="dataset").set_value("lone")
    app = ready(app.run())
    assert not app.error
    assert app.selectbox(key="true").value is None


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        (RELIABILITY, {"true": "57"}),
        (RELIABILITY, {"at_ratio": "0.33"}),
        (K_BOUNDS, {"at_k_min": "2"}),
        (NEIGHBORHOODS, {"row": "abc"}),
        (NEIGHBORHOODS, {"dataset": "![](x)"}),
    ],
)
def test_what_a_link_asks_for_in_vain_is_reported(page: Path, asked: dict[str, str]) -> None:
    opened(page)  # what follows must not wait for a search of neighbors
    app = AppTest.from_file(page, default_timeout=120)
    for key, value in asked.items():
        app.query_params[key] = value
    ready(app.run())
    (text,) = asked.values()
    warnings = [warning.value for warning in app.warning]
    assert f"The link asks for “{theme.plain(text)}”, which does not exist here." in warnings


def test_hundred_classes_open(tmp_path: Path) -> None:
    many_classes(tmp_path)
    state = {"databases": str(tmp_path), "dataset": "hundred", "backbone": "tiny"}
    app = opened(RELIABILITY, **state, added_noise="sym", true=99, given=99)
    pairs = figures(app)[4]
    assert "given label **class 99**" in texts(app)
    assert len(pairs["data"]) == 1  # no numbers in cells of some pixels
    assert pairs["layout"]["height"] <= 800
    assert len(figures(opened(K_BOUNDS, **state))) == 2


def test_own_matrix_has_no_ratio() -> None:
    matrix = tuple(tuple(0.7 * (i == j) + 0.03 for j in range(10)) for i in range(10))
    app = opened(RELIABILITY, noise="matrix", _matrix=matrix)
    assert "An own matrix has no ratio" in texts(app)


@pytest.mark.slow
def test_searching_again_at_every_ratio_has_to_be_asked_for() -> None:
    app = opened(RELIABILITY, reduction="LDA")
    assert len(figures(app)) == CHARTS - 1
    app.toggle(key="sweep_reduced").set_value(True)
    assert len(figures(ready(app.run()))) == CHARTS


@pytest.mark.slow
def test_every_pattern_has_its_ratios() -> None:
    for pattern in ("asym", "instance", "similar"):
        for draw in ("exact", "reference"):
            app = opened(RELIABILITY, noise=pattern, draw=draw)
            assert not app.error, (pattern, draw)
            assert len(figures(app)) == CHARTS, (pattern, draw)


def test_a_failed_computation_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise WannError("`noise_ratio` cannot be.", "noise_ratio")

    monkeypatch.setattr("ui.explore.reliability.detection", refuse)
    app = opened(RELIABILITY)
    assert any("“Noise ratio” cannot be." in plain(error.value) for error in app.sidebar.error)


def test_a_chosen_cell_row_or_column_is_outlined() -> None:
    rows = heatmap_cell.Axis("a", "A", (1, 3, 5), ("1", "3", "5"))
    columns = heatmap_cell.Axis("b", "B", (0.1, 0.2), ("0.1", "0.2"))
    figure: dict[str, Any] = {"layout": {}}
    heatmap_cell.outline(figure, rows, columns, 3, 0.2, "solid")
    heatmap_cell.outline(figure, rows, columns, None, 0.1, "dot")
    heatmap_cell.outline(figure, rows, columns, None, None, "dot")
    heatmap_cell.outline(figure, rows, columns, 4, 0.1, "dot")
    found = [
        [shape[name] for name in ("x0", "x1", "y0", "y1")] for shape in figure["layout"]["shapes"]
    ]
    assert found == [[0.5, 1.5, 0.5, 1.5], [-0.5, 0.5, -0.5, 2.5]]


def test_k_bounds_tells_present_best_and_chosen() -> None:
    app = opened(K_BOUNDS, at_k_min=5, at_k_max=21)
    scenario = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact")
    wann = classify(prepare(scenario)).metrics.accuracy
    text = texts(app)
    assert f"**Present bounds**, 11 to 51: WANN finds {100 * wann:.2f} %" in text
    assert "**Best of 351 pairs**" in text
    assert "its score is optimistic" in text
    assert "**Chosen**, 5 to 21" in text
    assert "paired 95 % interval" in text
    heat, knn = figures(app)
    assert heat["data"][0]["type"] == "heatmap"
    assert [t["name"] for t in knn["data"] if "name" in t] == [
        "kNN",
        "ANN",
        "WANN",
        "kNN-11",
        "kNN-51",
    ]
    app.button(key="use_bounds").click()
    app = ready(app.run())
    assert app.session_state["bounds"] == (5, 21)
    assert "**Chosen**, 5 to 21: the present bounds." in texts(app)
    assert "**Present bounds**, 5 to 21" in texts(app)


def test_k_bounds_of_ann_and_below_the_diagonal() -> None:
    app = opened(K_BOUNDS, grid_method="ANN", at_k_min=21, at_k_max=5)
    assert "k_min = 21 is above k_max = 5" in texts(app)
    assert "ANN finds" in texts(app)
    assert "Click a cell" in texts(app)


def test_k_bounds_where_each_row_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, n=30)
    app = opened(K_BOUNDS, databases=str(tmp_path), **LONE, at_k_min=3, at_k_max=51)
    text = texts(app)
    assert "rows, each judged by the others," in text
    assert "**Chosen**, 3 to 51" in text


def test_bounds_off_the_sidebars_steps_are_on_the_grid() -> None:
    app = opened(K_BOUNDS, bounds=(10, 40))
    assert "**Present bounds**, 10 to 40" in texts(app)

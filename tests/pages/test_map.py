"""The map: what its chart holds, what filters leave, and that chosen rows stay chosen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from tests.helpers.map_page import (
    COLORS,
    NOISY,
    array,
    chart,
    drawn_rows,
    many,
    opened,
    payload,
    ready,
)
from ui.explore.map import figures, hover, layouts, views, windows
from ui.explore.map.selections import Selection
from ui.explore.map.views import Points
from wann_core import prepare
from wann_core.datasets import Split
from wann_core.datasets import database as databases
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import map as layout
from wann_core.explore.map import Layout


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare(NOISY)


def test_filters_leave_what_they_say(prepared: PreparedData) -> None:
    app = opened(classes=[3, 8], trust=(12, 40))
    k = prepared.adaptive_k
    keep = np.isin(prepared.labels, [3, 8]) & (k >= 12) & (k <= 40)
    assert 0 < keep.sum() < 100
    assert drawn_rows(app) == sorted(prepared.row_ids[keep].tolist())


def test_part_of_the_map_leaves_what_lies_there(prepared: PreparedData) -> None:
    app = opened(across=(50.0, 100.0), up=(0.0, 50.0))
    positions = layout.pca_map(prepared.X_train, prepared.X_test)
    both = np.concatenate([positions.train, positions.test])
    middle = (both.min(axis=0) + both.max(axis=0)) / 2
    keep = (positions.train[:, 0] >= middle[0]) & (positions.train[:, 1] <= middle[1])
    assert drawn_rows(app) == sorted(prepared.row_ids[keep].tolist())
    ready(app.button[0].click().run())
    assert len(drawn_rows(app)) == 1200


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"parts": []}, "neither training nor test rows"),
        ({"trust": (1, 2), "classes": [1]}, "only 1 are shown; only adaptive k from 1 to 2"),
        ({"across": (0.0, 0.5)}, "only a part of the map"),
    ],
)
def test_nothing_left_says_why_and_leads_back(state: dict[str, object], reason: str) -> None:
    app = opened(**state)
    assert reason in app.info[0].value
    ready(app.button[0].click().run())
    assert not any(button.label == "Show all" for button in app.button)
    assert len(drawn_rows(app)) == 1200


def test_chosen_rows_outlive_color_layout_and_noise(prepared: PreparedData) -> None:
    rows = np.sort(prepared.row_ids)[[5, 77, 431]]
    chosen = Selection(("digits", "pixels"), {"train": rows, "test": prepared.test_ids[3:4]})
    app = opened(_map_selection=chosen)
    for state in ({}, {"color": "agreement"}, {"classes": [2]}, {"ratio": 0.1}, {"rows": 1000}):
        for key, value in state.items():
            app.session_state[key] = value
        ready(app.run())
        assert set(app.dataframe[0].value["row"]) <= set(rows)
        if "rows" not in state:
            assert list(app.dataframe[0].value["row"]) == rows.tolist()
    app.session_state["rows"] = None
    app.session_state["classes"] = []
    ready(app.run())
    standing_out = {
        int(array(trace["customdata"])[i, 1])
        for trace in chart(app)["data"]
        if "customdata" in trace
        for i in trace["selectedpoints"]
    }
    assert standing_out == set(rows)
    clear = next(button for button in app.button if button.label == "Clear selection")
    ready(clear.click().run())
    assert not app.dataframe
    assert any("Draw around points" in info.value for info in app.info)
    assert not any("selectedpoints" in trace for trace in chart(app)["data"])


def test_other_data_have_no_rows_of_these(database: Path) -> None:
    chosen = Selection(("digits", "pixels"), {"train": np.array([5])})
    app = opened(_map_selection=chosen, databases=str(database), dataset="small", backbone="tiny")
    assert not app.dataframe


def test_data_without_test_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 5)).astype(np.float32)
    train = Split(X, np.arange(90) % 3, np.arange(90) * 2)
    databases.write(tmp_path, "lone", "tiny", {"train": train}, ("a", "b", "c"), {})
    app = opened(databases=str(tmp_path), dataset="lone", backbone="tiny", parts=["train", "test"])
    assert drawn_rows(app) == list(range(0, 180, 2))


def test_a_part_of_the_map_is_shown_in_the_steps_of_its_controls() -> None:
    windows.show_part(np.array([[12.3, 30.0], [81.0, 70.4]]), (10.0, 0.0, 100.0))
    assert st.session_state["across"] == (2.0, 20.0)
    assert st.session_state["up"] == (70.0, 81.0)
    windows.show_part(np.array([[-50.0, 400.0], [0.0, 100.0]]), (10.0, 0.0, 100.0))
    assert st.session_state["across"] == st.session_state["up"] == (0.0, 100.0)


def test_pictures_come_for_the_point_and_those_beside_it(prepared: PreparedData) -> None:
    xy = np.column_stack([np.arange(1797.0), np.zeros(1797)])
    places = np.arange(1797)
    rows = np.concatenate([prepared.row_ids, prepared.test_ids])
    labels = np.concatenate([prepared.labels, prepared.y_test])
    points = Points(places, rows, xy, labels, labels, 1200, (0, 0, 1797), (0, 1797, 0, 1))
    asked = {"place": "1200", "at": [1200, 0], "token": "now"}
    st.session_state["_map_hovered"] = asked
    cards = hover._asked(prepared, points, "now")
    assert set(cards) == {str(place) for place in range(1194, 1207)}
    (card,) = cards["1200"]
    assert card["id"] == f"test-{prepared.test_ids[0]}"
    assert card["lines"][0] == prepared.dataset.class_names[prepared.y_test[0]]
    assert card["picture"].startswith("data:image/png")
    assert hover._asked(prepared, points, "now") == {}  # nothing is asked for twice
    st.session_state["_map_hovered"] = asked
    assert hover._asked(prepared, points, "another view") == {}


def test_zoom_frames_what_was_chosen(prepared: PreparedData) -> None:
    rows = prepared.row_ids[prepared.clean_labels == 0]
    app = opened(_map_selection=Selection(("digits", "pixels"), {"train": rows}))
    ready(next(button for button in app.button if button.label == "Zoom to them").click().run())
    assert set(rows) <= set(drawn_rows(app))
    assert len(drawn_rows(app)) < 1200
    across, up = app.session_state["across"], app.session_state["up"]
    assert across[1] - across[0] == pytest.approx(up[1] - up[0], abs=1)


@pytest.mark.parametrize("color", COLORS)
def test_thirty_thousand_points_travel_light(prepared: PreparedData, color: str) -> None:
    points = many(30_000, prepared, color)
    assert not figures.is_image(points)
    figure = figures.figure(points, color, prepared, np.arange(20_000), 0)
    assert payload(figure) < 2_000_000


@pytest.mark.parametrize("color", COLORS)
def test_too_many_points_become_an_image(prepared: PreparedData, color: str) -> None:
    points = many(250_000, prepared, color)
    figure = figures.figure(points, color, prepared, np.empty(0, np.int64), 0)
    image, marks = figure["data"][:2]
    assert image["type"] == "heatmap"
    counts = [int(text.split(" rows")[0].replace(",", "")) for text in marks["text"]]
    assert sum(counts) == 250_000
    assert set(marks["customdata"].ravel()) == set(figures.cells(points))
    z = np.asarray(image["z"])
    shown = z > 0 if z.dtype == np.uint8 else np.isfinite(z)
    assert shown.sum() == len(np.unique(figures.cells(points, len(z))))
    assert payload(figure) < 2_500_000


def test_narrow_view_of_many_rows_has_points_again(prepared: PreparedData) -> None:
    points = many(250_000, prepared, "observed")
    assert figures.is_image(points)
    half = points.xy[:, 0] < np.quantile(points.xy[:, 0], 0.1)
    fewer = Points(
        points.places[half],
        points.rows[half],
        points.xy[half],
        points.observed[half],
        points.values[half],
        points.n_train,
        points.square,
        points.window,
    )
    figure = figures.figure(fewer, "observed", prepared, np.empty(0), 0)
    assert {trace["type"] for trace in figure["data"]} == {"scattergl", "scatter"}


def test_table_of_the_points(prepared: PreparedData) -> None:
    positions = Layout(np.zeros((1200, 2), np.float32), np.ones((597, 2), np.float32))
    view = views.View("pca", "flipped", (), (1, 51), ("train", "test"), (0.0, 100.0), (0.0, 100.0))
    table = views.table(views.points(view, prepared, positions), "flipped")
    assert table.groupby("split").size().to_dict() == {"train": 1200, "test": 597}
    assert table["flipped"].sum() == 480
    assert isinstance(table, pd.DataFrame)


def test_umap_of_many_rows_waits_to_be_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path))  # no layout of an earlier test
    monkeypatch.setattr(layouts, "_MOST_BY_ITSELF", 100)
    monkeypatch.setattr(layout, "fitted_layout", lambda graph, start, _: Layout(start, start))
    page = opened(layout="umap")
    assert any("PCA is shown, as UMAP of" in caption.value for caption in page.caption)
    ask = next(button for button in page.button if button.label == "Fit UMAP")
    ready(ask.click().run())
    assert not [button for button in page.button if button.label == "Fit UMAP"]

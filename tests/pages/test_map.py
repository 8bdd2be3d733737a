"""The map: what its chart holds, what filters leave, and that chosen rows stay chosen."""

import base64
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers.roots import ROOT
from ui.explore import map_charts, map_colors, map_hover, map_jobs, map_labels, map_view
from ui.explore.map_selection import Selection
from ui.explore.map_view import Points
from ui.shell import theme
from wann_core import Scenario, prepare
from wann_core.datasets import Split
from wann_core.datasets import database as databases
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import map as layout
from wann_core.explore.map import Layout
from wann_core.explore.point_values import values
from wann_core.review.ledger import ACTIONS, ledger_of
from wann_core.review.verdict import Verdict

PAGE = ROOT / "pages" / "map.py"
NOISY = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact")
COLORS = (
    "observed",
    "true",
    "flipped",
    "reliability",
    "adaptive_k",
    "agreement",
    "predicted-WANN",
    "doubtful",
    "verdict",
    "density",
    "correct-kNN-11",
    "correct-WANN",
)


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare(NOISY)


def opened(**state: object) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=120)
    for key, value in {"layout": "pca", **state}.items():
        app.session_state[key] = value
    return ready(app.run())


def ready(app: AppTest) -> AppTest:
    """Run again until the background work has ended."""
    for _ in range(120):
        assert not app.exception
        if app.get("plotly_chart") or any(button.label == "Show all" for button in app.button):
            return app
        time.sleep(0.5)
        app.run()
    pytest.fail("the chart did not come")


def chart(app: AppTest) -> dict[str, Any]:
    return dict(json.loads(app.get("plotly_chart")[0].proto.spec))


def array(spec: Any) -> np.ndarray:
    """A typed array as the figure carries it."""
    flat = np.frombuffer(base64.b64decode(spec["bdata"]), np.dtype(spec["dtype"]))
    return flat.reshape([int(n) for n in spec["shape"].split(",")]) if "shape" in spec else flat


def drawn_rows(app: AppTest) -> list[int]:
    found = [array(t["customdata"])[:, 1] for t in chart(app)["data"] if "customdata" in t]
    return sorted(np.concatenate(found).tolist())


def many(
    count: int, prepared: PreparedData, color: str, classes: int = 10, seed: int = 0
) -> Points:
    """Synthetic points with values that suit the coloring."""
    rng = np.random.default_rng(seed)
    xy = rng.normal(size=(count, 2)).astype(np.float32)
    observed = rng.integers(0, classes, count)
    kind = None if color == "density" else map_colors.of(color, prepared)
    held = observed if color in map_view.BY_CLASS else rng.random(count) / 10
    if isinstance(kind, map_colors.Kinds) and color not in map_view.BY_CLASS:
        held = rng.integers(0, len(kind.names), count) * (rng.random(count) < 0.2)
    places = np.arange(count, dtype=np.int32)
    ends = (float(xy.min()), float(xy.max()))
    side = ends[1] - ends[0]
    return Points(
        places,
        places + 7,
        xy,
        observed,
        held,
        count - count // 6,
        (ends[0], ends[0], side),
        (*ends, *ends),
    )


def payload(figure: dict[str, Any]) -> int:
    return len(go.Figure(figure).to_json())


@pytest.mark.parametrize("color", COLORS)
def test_every_coloring_draws_every_row(color: str) -> None:
    app = opened(color=color, parts=["train", "test"])
    assert drawn_rows(app) == list(range(1797))
    assert any("The axes have no unit" in caption.value for caption in app.caption)


def test_color_of_a_point_is_its_value(prepared: PreparedData) -> None:
    flipped = values(prepared, "train", "flipped")
    seen = {}
    for trace in chart(opened(color="flipped"))["data"]:
        if "customdata" in trace:
            places = array(trace["customdata"])[:, 0]
            seen |= dict(zip(places.tolist(), array(trace["marker"]["color"]), strict=True))
    assert [seen[i] for i in range(1200)] == flipped.astype(int).tolist()


def colored(app: AppTest) -> dict[int, int]:
    """Step of the color scale by row id."""
    seen: dict[int, int] = {}
    for trace in chart(app)["data"]:
        if "customdata" in trace:
            rows = array(trace["customdata"])[:, 1]
            seen |= dict(zip(rows.tolist(), array(trace["marker"]["color"]).tolist(), strict=True))
    return seen


def test_the_audit_and_the_review_color_the_map(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANN_REVIEW_ROOT", str(tmp_path))
    doubted = colored(opened(color="doubtful"))
    wrong = dict(
        zip(prepared.row_ids.tolist(), prepared.labels != prepared.clean_labels, strict=True)
    )
    found = [row for row, step in doubted.items() if step == 1]
    assert len(found) > 300 and np.mean([wrong[row] for row in found]) > 0.9
    assert {*colored(opened(color="doubtful", parts=["test"])).values()} == {2}

    data = prepared.dataset
    first = int(data.train.ids[0])
    label = data.class_names[data.train.y[0]]
    ledger_of(data).record([Verdict("train", first, label, "remove")], who="ann")
    steps = colored(opened(color="verdict"))
    assert {row for row, step in steps.items() if step} == {first}
    assert steps[first] == 1 + ACTIONS.index("remove")

    predicted = colored(opened(color="predicted-WANN"))
    expected = values(prepared, "train", "predicted-WANN")
    assert [predicted[row] for row in prepared.row_ids.tolist()] == expected.tolist()
    right = values(prepared, "train", "correct-WANN")
    np.testing.assert_array_equal(expected == prepared.clean_labels, right)


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
    map_view.show_part(np.array([[12.3, 30.0], [81.0, 70.4]]), (10.0, 0.0, 100.0))
    assert st.session_state["across"] == (2.0, 20.0)
    assert st.session_state["up"] == (70.0, 81.0)
    map_view.show_part(np.array([[-50.0, 400.0], [0.0, 100.0]]), (10.0, 0.0, 100.0))
    assert st.session_state["across"] == st.session_state["up"] == (0.0, 100.0)


def test_pictures_come_for_the_point_and_those_beside_it(prepared: PreparedData) -> None:
    xy = np.column_stack([np.arange(1797.0), np.zeros(1797)])
    places = np.arange(1797)
    rows = np.concatenate([prepared.row_ids, prepared.test_ids])
    labels = np.concatenate([prepared.labels, prepared.y_test])
    points = Points(places, rows, xy, labels, labels, 1200, (0, 0, 1797), (0, 1797, 0, 1))
    asked = {"place": "1200", "at": [1200, 0], "token": "now"}
    st.session_state["_map_hovered"] = asked
    cards = map_hover._asked(prepared, points, "now")
    assert set(cards) == {str(place) for place in range(1194, 1207)}
    (card,) = cards["1200"]
    assert card["id"] == f"test-{prepared.test_ids[0]}"
    assert card["lines"][0] == prepared.dataset.class_names[prepared.y_test[0]]
    assert card["picture"].startswith("data:image/png")
    assert map_hover._asked(prepared, points, "now") == {}  # nothing is asked for twice
    st.session_state["_map_hovered"] = asked
    assert map_hover._asked(prepared, points, "another view") == {}


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
    assert not map_charts.is_image(points)
    figure = map_charts.figure(points, color, prepared, np.arange(20_000), 0)
    assert payload(figure) < 2_000_000


@pytest.mark.parametrize("color", COLORS)
def test_too_many_points_become_an_image(prepared: PreparedData, color: str) -> None:
    points = many(250_000, prepared, color)
    figure = map_charts.figure(points, color, prepared, np.empty(0, np.int64), 0)
    image, marks = figure["data"][:2]
    assert image["type"] == "heatmap"
    counts = [int(text.split(" rows")[0].replace(",", "")) for text in marks["text"]]
    assert sum(counts) == 250_000
    assert set(marks["customdata"].ravel()) == set(map_charts.cells(points))
    z = np.asarray(image["z"])
    shown = z > 0 if z.dtype == np.uint8 else np.isfinite(z)
    assert shown.sum() == len(np.unique(map_charts.cells(points, len(z))))
    assert payload(figure) < 2_500_000


def test_image_shows_the_mean_and_the_most_frequent_class(prepared: PreparedData) -> None:
    points = many(250_000, prepared, "observed")
    figure = map_charts.figure(points, "observed", prepared, np.empty(0), 0)
    image = figure["data"][0]
    colors, axis = image["z"].ravel(), figure["layout"]["coloraxis"]
    steps = [color for _, color in axis["colorscale"][::2]]
    assert axis["cmin"] == -0.5 and axis["cmax"] == len(steps) - 0.5
    cell = map_charts.cells(points, len(image["z"]))
    trust = many(250_000, prepared, "reliability")
    means = map_charts.figure(trust, "reliability", prepared, np.empty(0), 0)["data"][0]["z"]
    for at in np.random.default_rng(0).choice(np.unique(cell), 50, replace=False):
        inside = points.observed[cell == at]
        assert steps[colors[at]] == theme.class_color(int(np.bincount(inside).argmax()))
        assert means.ravel()[at] == pytest.approx(trust.values[cell == at].mean(), rel=1e-5)


def test_narrow_view_of_many_rows_has_points_again(prepared: PreparedData) -> None:
    points = many(250_000, prepared, "observed")
    assert map_charts.is_image(points)
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
    figure = map_charts.figure(fewer, "observed", prepared, np.empty(0), 0)
    assert {trace["type"] for trace in figure["data"]} == {"scattergl", "scatter"}


def test_legend_of_many_classes_is_bounded() -> None:
    kinds = map_colors.Kinds([f"c{i}" for i in range(100)], [f"#{i % 12:06x}" for i in range(100)])
    entries = map_colors.legend(kinds, range(100))
    assert entries[0] == ("c0 and 8 more", "#000000", "circle")
    assert len(entries) == 12
    assert map_colors.legend(kinds, [3, 15]) == [
        ("c3", "#000003", "cross"),
        ("c15", "#000003", "square"),
    ]


def test_marks_tell_classes_apart_whose_colors_do_not(prepared: PreparedData) -> None:
    points = many(1000, prepared, "observed")
    marks = {}
    for trace in map_charts.figure(points, "observed", prepared, np.empty(0), 0)["data"]:
        if "customdata" in trace:
            label = points.observed[trace["customdata"][0, 0]]
            hollow = trace["customdata"][0, 0] >= points.n_train
            assert trace["marker"]["symbol"] == theme.class_symbol(label) + "-open" * bool(hollow)
            marks[label] = trace["marker"]["symbol"]
    assert len(marks) == 10
    # Under another coloring each mark of a trace has the shape of its own value.
    flipped = map_charts.figure(
        many(1000, prepared, "flipped"), "flipped", prepared, np.empty(0), 0
    )["data"]
    seen = {
        (int(shape) % 100, float(tint))
        for trace in flipped
        if not isinstance(trace.get("marker", {}).get("symbol", ""), str)
        for shape, tint in zip(trace["marker"]["symbol"], trace["marker"]["color"], strict=True)
    }
    assert seen <= {(0, 0.0), (1, 1.0)}
    assert len({(theme.class_color(c), theme.class_symbol(c)) for c in range(84)}) == 84


def test_names_stand_where_their_classes_lie(prepared: PreparedData) -> None:
    points = many(3000, prepared, "observed")
    centers = np.stack([np.arange(10) % 4, np.arange(10) // 4], axis=1).astype(np.float32)
    xy = centers[points.observed] + 0.01 * points.xy
    points = dataclasses.replace(points, xy=xy, window=(-0.5, 3.5, -0.5, 2.5))
    palette = map_colors.of("observed", prepared)
    assert isinstance(palette, map_colors.Kinds)
    found = map_labels.annotations(points, palette)
    places = {note["text"]: (note["x"], note["y"]) for note in found}
    names = prepared.dataset.class_names
    for label, center in enumerate(centers):
        assert np.allclose(places[names[label]], center, atol=0.05)
    together = dataclasses.replace(points, xy=np.ones_like(points.xy))
    heights = {note["y"] for note in map_labels.annotations(together, palette)}
    assert len(heights) == 7
    hundred = map_colors.Kinds([f"c{i}" for i in range(100)], ["#000000"] * 100)
    crowd = dataclasses.replace(points, values=np.arange(3000) % 100)
    assert map_labels.annotations(crowd, hundred) == []


def test_chosen_classes_have_colors_of_their_own(tmp_path: Path) -> None:
    rng, y = np.random.default_rng(0), np.arange(400) % 40
    split = Split(rng.normal(size=(400, 4)).astype(np.float32), y, np.arange(400))
    databases.write(tmp_path, "many", "tiny", {"train": split}, [f"c{i}" for i in range(40)], {})
    many_classes = prepare(Scenario("many", "tiny"), database_root=tmp_path)
    positions = Layout(*[rng.normal(size=(400, 2)).astype(np.float32)] * 2)
    whole = (0.0, 100.0)
    view = map_view.View("pca", "observed", (), (1, 51), ("train",), whole, whole)
    every = map_view.points(view, many_classes, positions)
    assert "12 colors stand for 40 classes" in map_view.reading(
        every, "pca", "observed", False, map_view.rows(view, positions)
    )
    for others, shown, extra in ((False, 20, []), (True, 400, ["other classes"])):
        # 3 and 15 share a color where all are shown.
        chosen = dataclasses.replace(view, classes=(3, 15), others=others)
        points = map_view.points(chosen, many_classes, positions)
        assert len(points.places) == shown
        count = "20 of 400 rows" if shown == 20 else "400 rows"
        assert map_view.reading(points, "pca", "observed", False, 400).startswith(count)
        figure = map_charts.figure(points, "observed", many_classes, np.empty(0), 0)
        legend = {t["name"]: t["marker"]["color"] for t in figure["data"] if "name" in t}
        assert list(legend) == ["c3", "c15", *extra]
        assert len(set(legend.values())) == len(legend)


def test_names_are_no_markup() -> None:
    assert theme.charted("<b>%{x}</b> & co") == "&lt;b&gt;% {x}&lt;/b&gt; &amp; co".replace(
        "&gt;", ">"
    )


def test_table_of_the_points(prepared: PreparedData) -> None:
    positions = Layout(np.zeros((1200, 2), np.float32), np.ones((597, 2), np.float32))
    view = map_view.View(
        "pca", "flipped", (), (1, 51), ("train", "test"), (0.0, 100.0), (0.0, 100.0)
    )
    table = map_view.table(map_view.points(view, prepared, positions), "flipped")
    assert table.groupby("split").size().to_dict() == {"train": 1200, "test": 597}
    assert table["flipped"].sum() == 480
    assert isinstance(table, pd.DataFrame)


def test_umap_of_many_rows_waits_to_be_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path))  # no layout of an earlier test
    monkeypatch.setattr(map_jobs, "_MOST_BY_ITSELF", 100)
    monkeypatch.setattr(layout, "fitted_layout", lambda graph, start, _: Layout(start, start))
    page = opened(layout="umap")
    assert any("PCA is shown, as UMAP of" in caption.value for caption in page.caption)
    ask = next(button for button in page.button if button.label == "Fit UMAP")
    ready(ask.click().run())
    assert not [button for button in page.button if button.label == "Fit UMAP"]

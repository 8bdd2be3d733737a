"""Colors, marks and names on the map, and what its legend says."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.map_page import COLORS, NOISY, array, chart, drawn_rows, many, opened
from ui.explore.map import colors, figures, labels, views
from ui.shell import theme
from wann_core import Scenario, prepare
from wann_core.datasets import Split
from wann_core.datasets import database as databases
from wann_core.experiments.prepared import PreparedData
from wann_core.explore.map import Layout
from wann_core.explore.point_values import values
from wann_core.review.ledger import ACTIONS, ledger_of
from wann_core.review.verdict import Verdict


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare(NOISY)


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


def test_image_shows_the_mean_and_the_most_frequent_class(prepared: PreparedData) -> None:
    points = many(250_000, prepared, "observed")
    figure = figures.figure(points, "observed", prepared, np.empty(0), 0)
    image = figure["data"][0]
    colors, axis = image["z"].ravel(), figure["layout"]["coloraxis"]
    steps = [color for _, color in axis["colorscale"][::2]]
    assert axis["cmin"] == -0.5 and axis["cmax"] == len(steps) - 0.5
    cell = figures.cells(points, len(image["z"]))
    trust = many(250_000, prepared, "reliability")
    means = figures.figure(trust, "reliability", prepared, np.empty(0), 0)["data"][0]["z"]
    for at in np.random.default_rng(0).choice(np.unique(cell), 50, replace=False):
        inside = points.observed[cell == at]
        assert steps[colors[at]] == theme.class_color(int(np.bincount(inside).argmax()))
        assert means.ravel()[at] == pytest.approx(trust.values[cell == at].mean(), rel=1e-5)


def test_legend_of_many_classes_is_bounded() -> None:
    kinds = colors.Kinds([f"c{i}" for i in range(100)], [f"#{i % 12:06x}" for i in range(100)])
    entries = colors.legend(kinds, range(100))
    assert entries[0] == ("c0 and 8 more", "#000000", "circle")
    assert len(entries) == 12
    assert colors.legend(kinds, [3, 15]) == [
        ("c3", "#000003", "cross"),
        ("c15", "#000003", "square"),
    ]


def test_marks_tell_classes_apart_whose_colors_do_not(prepared: PreparedData) -> None:
    points = many(1000, prepared, "observed")
    marks = {}
    for trace in figures.figure(points, "observed", prepared, np.empty(0), 0)["data"]:
        if "customdata" in trace:
            label = points.observed[trace["customdata"][0, 0]]
            hollow = trace["customdata"][0, 0] >= points.n_train
            assert trace["marker"]["symbol"] == theme.class_symbol(label) + "-open" * bool(hollow)
            marks[label] = trace["marker"]["symbol"]
    assert len(marks) == 10
    # Under another coloring each mark of a trace has the shape of its own value.
    flipped = figures.figure(many(1000, prepared, "flipped"), "flipped", prepared, np.empty(0), 0)[
        "data"
    ]
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
    palette = colors.of("observed", prepared)
    assert isinstance(palette, colors.Kinds)
    found = labels.annotations(points, palette)
    places = {note["text"]: (note["x"], note["y"]) for note in found}
    names = prepared.dataset.class_names
    for label, center in enumerate(centers):
        assert np.allclose(places[names[label]], center, atol=0.05)
    together = dataclasses.replace(points, xy=np.ones_like(points.xy))
    heights = {note["y"] for note in labels.annotations(together, palette)}
    assert len(heights) == 7
    hundred = colors.Kinds([f"c{i}" for i in range(100)], ["#000000"] * 100)
    crowd = dataclasses.replace(points, values=np.arange(3000) % 100)
    assert labels.annotations(crowd, hundred) == []


def test_chosen_classes_have_colors_of_their_own(tmp_path: Path) -> None:
    rng, y = np.random.default_rng(0), np.arange(400) % 40
    split = Split(rng.normal(size=(400, 4)).astype(np.float32), y, np.arange(400))
    databases.write(tmp_path, "many", "tiny", {"train": split}, [f"c{i}" for i in range(40)], {})
    many_classes = prepare(Scenario("many", "tiny"), database_root=tmp_path)
    positions = Layout(*[rng.normal(size=(400, 2)).astype(np.float32)] * 2)
    whole = (0.0, 100.0)
    view = views.View("pca", "observed", (), (1, 51), ("train",), whole, whole)
    every = views.points(view, many_classes, positions)
    assert "12 colors stand for 40 classes" in views.reading(
        every, "pca", "observed", False, views.rows(view, positions)
    )
    for others, shown, extra in ((False, 20, []), (True, 400, ["other classes"])):
        # 3 and 15 share a color where all are shown.
        chosen = dataclasses.replace(view, classes=(3, 15), others=others)
        points = views.points(chosen, many_classes, positions)
        assert len(points.places) == shown
        count = "20 of 400 rows" if shown == 20 else "400 rows"
        assert views.reading(points, "pca", "observed", False, 400).startswith(count)
        figure = figures.figure(points, "observed", many_classes, np.empty(0), 0)
        legend = {t["name"]: t["marker"]["color"] for t in figure["data"] if "name" in t}
        assert list(legend) == ["c3", "c15", *extra]
        assert len(set(legend.values())) == len(legend)


def test_names_are_no_markup() -> None:
    assert theme.charted("<b>%{x}</b> & co") == "&lt;b&gt;% {x}&lt;/b&gt; &amp; co".replace(
        "&gt;", ">"
    )

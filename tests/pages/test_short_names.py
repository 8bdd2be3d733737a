"""Long names of classes: short where there is little room, whole where there is enough."""

import numpy as np
import pandas as pd
import pytest

from ui.charts import charts, heatmaps, short_names
from ui.explore import neighborhood_charts
from ui.explore.map import colors
from ui.shell import theme

LONG = [f"Staffordshire bull terrier <adult> & others, outdoors {i}" for i in range(100)]


def test_the_middle_of_a_long_name_is_left_out() -> None:
    assert short_names.shorten("cat", 8) == "cat"
    assert short_names.shorten("Staffordshire bull terrier (adult, outdoors)", 22) == (
        "Staffordshire…tdoors)"
    )
    assert all(len(short_names.shorten("x" * n, 22)) <= 22 for n in range(60))


@pytest.mark.parametrize("most", [22, 44])
def test_what_names_differ_in_stays(most: int) -> None:
    alike = tuple(
        f"Greater short-horned lizard, number {i:03} (juvenile, outdoors)" for i in range(100)
    )
    found = short_names.apart((*alike, "cat", alike[0]), most)
    assert found["cat"] == "cat"
    assert all(f"{i:03}" in found[name] for i, name in enumerate(alike))
    assert max(map(len, found.values())) <= most
    # Where it lies too far inside for the room there is, a number tells names apart.
    twice = tuple(f"{'a' * 40}{i}{'b' * 40}{i % 7}{'c' * 40}" for i in (1, 8, 15, 17))
    assert len(set(short_names.apart(twice, most).values())) == 4


def test_no_two_names_look_alike_at_the_ticks() -> None:
    alike = [f"<{'a' * 20}{i:03}{'b' * 20}" for i in range(100)]
    found = short_names.aliases([*map(theme.charted, alike), "cat"])
    assert list(map(theme.uncharted, found)) == alike
    assert len(set(found.values())) == 100


def test_axes_and_legends_have_short_names_and_data_whole_ones() -> None:
    counts = pd.DataFrame({"class_name": LONG, "rows_given": np.arange(100)})
    figure = charts.class_counts(counts)
    assert figure["data"][0]["x"] == [theme.charted(name) for name in LONG]
    alias = figure["layout"]["xaxis"]["labelalias"]
    assert set(alias) == set(figure["data"][0]["x"])
    assert max(len(theme.uncharted(short)) for short in alias.values()) <= 22
    picture = heatmaps.transitions(LONG, np.eye(100))
    for axis in ("xaxis", "yaxis"):
        assert len(picture["layout"][axis]["labelalias"]) == 100
    line = charts.framed(
        [{"type": "scatter", "x": [1], "y": [1], "name": theme.charted(LONG[0])}], "", ""
    )
    assert len(theme.uncharted(line["data"][0]["name"])) <= 36
    assert "labelalias" not in line["layout"]["xaxis"]


def test_a_wide_legend_leaves_room_for_the_button_above_it() -> None:
    def top(names: list[str]) -> int:
        traces = [{"x": [0], "y": [0], "name": name} for name in names]
        margin: dict[str, int] = charts.framed(traces, "", "")["layout"]["margin"]
        return margin["t"]

    assert top(["kNN-11", "ANN"]) == 30
    assert top(["kNN", "ANN", "WANN", "kNN-11", "kNN-51"]) == 52


def test_a_name_is_escaped_after_it_was_shortened() -> None:
    name = theme.charted("<" * 60)
    short = short_names.in_legend([name])[name]
    assert short.replace("&lt;", "<") == "<" * 27 + "…" + "<" * 8


def test_votes_of_many_classes_share_one_bar() -> None:
    shares = np.linspace(2, 0.1, 40)
    votes = pd.DataFrame(
        {
            "method_name": "kNN-51",
            "class_id": range(40),
            "class_name": LONG[:40],
            "share": shares / shares.sum(),
        }
    )
    bars = neighborhood_charts.votes(votes, theme.class_colors(range(40)))["data"]
    assert [bar["name"] for bar in bars][-1] == "31 other classes"
    assert len(bars) == 10
    assert np.isclose(sum(bar["x"][0] for bar in bars), 100)


def test_classes_of_the_bars_have_the_first_choice_of_colors() -> None:
    # One class leads at every k, and others have their votes at one k each.
    at, class_id = np.indices((30, 30)).reshape(2, -1)
    share = np.where(class_id == 0, 0.5, np.where(at == class_id, 0.5 - class_id / 100, 0))
    curve = pd.DataFrame(
        {"k": at, "class_id": class_id, "share": share, "weighted_share": share / 2}
    )
    votes = pd.DataFrame({"class_id": range(30), "share": np.linspace(0.1, 0.9, 30)})
    assert neighborhood_charts.drawn(votes, curve) == [*range(21, 30), 0, 1, 2, 3, 4]


def test_a_shared_color_names_one_class_and_how_many_more() -> None:
    kinds = colors.Kinds(LONG, [theme.class_color(c) for c in range(100)])
    names = [name for name, *_ in colors.legend(kinds, range(100))]
    assert len(names) == theme.CLASS_COLORS
    assert all("…" in name and " more" in name and len(name) <= 36 for name in names)

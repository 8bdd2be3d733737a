"""The Dimensions page without a browser: what it offers, runs, keeps and says."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers import apps
from tests.helpers.apps import labels, plain, ready
from tests.helpers.roots import ROOT
from ui.jobs.plan import REDUCTION, Plan
from ui.measure import dimension_charts
from ui.measure.dimension_results import in_words, table_of
from ui.measure.dimensions import records_of
from ui.shell import theme
from wann_core import Scenario
from wann_core.experiments import grid

PAGE = ROOT / "pages" / "dimensions.py"
SMALL = {"rows": 200, "seeds": 2, "dims_64": [2, 6]}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No result and no job of another test."""
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    st.cache_resource.clear()


def opened(**state: object) -> AppTest:
    return apps.opened(PAGE, **state)


def press(app: AppTest, label: str) -> AppTest:
    """Press a button, and do not wait."""
    next(button for button in app.button if button.label == label).click()
    return app.run()


def texts(app: AppTest) -> str:
    boxes = (*app.info, *app.warning, *app.error, *app.caption)
    return plain(" ".join(box.value for box in boxes))


def test_nothing_chosen_has_a_hint() -> None:
    for state in ({"reductions": []}, {"reductions": ["PCA", "LDA"], "dims_64": []}):
        app = opened(**state)
        assert "Choose at least one reduction" in texts(app)
        assert not labels(app)


def test_sizes_come_from_the_data_and_from_its_rows() -> None:
    offered = opened().multiselect(key="dims_64")
    assert [int(size) for size in offered.options] == [1, 2, 4, 6, 8, 9, 16, 32]
    assert offered.value == [2, 4, 6, 8, 9, 16, 32]
    few = opened(rows=20).multiselect(key="dims_64")
    assert [int(size) for size in few.options] == [1, 2, 4, 6, 8, 9, 16]


@pytest.mark.slow
def test_run_shows_curves_words_and_a_table_and_is_found_again() -> None:
    app = ready(press(opened(**SMALL), "Run"))
    assert labels(app) == []
    assert len(apps.figures(app)) == 3
    shown = app.dataframe[0].value
    assert list(zip(shown["reduction"], shown["dimensions"], strict=True)) == [
        ("none", 64),
        ("PCA", 2),
        ("PCA", 6),
        ("LDA", 2),
        ("LDA", 6),
        ("fLDA", 2),
        ("fLDA", 6),
    ]
    assert "10× smaller (at most 6 dimensions, 4.8 kB): PCA" in app.markdown[0].value
    assert "stored" not in texts(app)

    other = app.segmented_control(key="of").set_value("kNN-51").run()
    assert "kNN-51 has" in other.markdown[0].value
    k = other.segmented_control(key="k_of").set_value("adaptive_k_wrong").run()
    assert "Mean adaptive k, wrong labels" in [heading.value for heading in k.header]

    st.cache_resource.clear()  # as a new server has no jobs
    again = opened(**SMALL)
    assert "The times of 14 of 14 runs were not taken now but stored" in texts(again)
    pd.testing.assert_frame_equal(again.dataframe[0].value, shown)


def test_reduction_of_the_sidebar_does_not_matter() -> None:
    ready(press(opened(**SMALL), "Run"))
    assert "Run" not in labels(opened(reduction="LDA", **SMALL))


def test_clean_labels_have_no_wrong_ones_to_average() -> None:
    app = ready(press(opened(noise="none", k_of="adaptive_k_wrong", **SMALL), "Run"))
    assert "No training row has a label that is known to be wrong" in texts(app)
    assert len(apps.figures(app)) == 2


def test_cancel_keeps_what_is_done_and_the_rest_runs_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_all, half, asked = grid.run_all, threading.Event(), list[int]()

    def slow(scenarios: Any, *roots: Any, progress: Any = None, **options: Any) -> Iterator[Any]:
        todo = list(scenarios)
        if progress is None:  # the warm-up
            yield from run_all(todo, *roots, **options)
            return
        asked.append(len(todo))
        for i, report in enumerate(run_all(todo, *roots, progress=progress, **options)):
            yield report
            while i == 19 and len(asked) == 1:
                half.set()
                progress(i, len(todo), "waiting for Cancel")
                time.sleep(0.01)

    monkeypatch.setattr(grid, "run_all", slow)
    app = press(opened(**SMALL), "Run")
    assert half.wait(60)
    app = ready(press(app.run(), "Cancel"))
    assert "Canceled after 20 runs." in texts(app)
    assert len(apps.figures(app)) == 3
    app = ready(press(app, "Run remaining 36"))
    assert asked == [56, 36]
    assert "Canceled" not in texts(app)
    assert len(app.dataframe[0].value) == 7
    assert "runs were not taken now but stored" in texts(app)


def test_size_that_noise_leaves_no_class_for_is_reported() -> None:
    # With 14 rows of 10 classes, fLDA finds too few classes that a neighborhood explains.
    app = ready(press(opened(rows=14, seeds=1, dims_64=[2]), "Run"))
    assert "runs are missing. Reduction by fLDA needs at least 2 classes" in texts(app)
    assert set(app.dataframe[0].value["reduction"]) >= {"none", "PCA"}


def test_error_of_the_rows_stands_beside_its_control() -> None:
    app = ready(press(opened(rows=3, dims_64=[1, 2]), "Run"))
    assert any("“Training rows” = 3" in error.value for error in app.sidebar.error)


def records() -> tuple[Plan, pd.DataFrame]:
    plan = Plan(
        Scenario(),
        ("ANN", "WANN"),
        (1, 2),
        REDUCTION,
        ((None, (None,)), ("PCA", (6, 64, 128))),
        columns=640,
    )
    rows = [
        {
            "reduction": name,
            "dimensions": size,
            "seed": seed,
            "method_name": method,
            "accuracy": 0.5 + size / 2000 + seed / 100 + (method == "WANN") / 50,
            "embedding_bytes": 4 * 1000 * size,
            "adaptive_k_mean": 20.0,
            "reduce_seconds": 1.0,
            "search_seconds": seed,
            "train_rows": 1000,
        }
        for name, size in ((None, 640), ("PCA", 128), ("PCA", 64), ("PCA", 6))
        for seed in (1, 2)
        for method in ("WANN", "ANN")
    ]
    return plan, records_of(plan, rows)


def test_records_are_in_the_plans_order() -> None:
    _, frame = records()
    assert list(frame["reduction"].drop_duplicates()) == ["none", "PCA"]
    assert list(frame["dimensions"].drop_duplicates()) == [640, 6, 64, 128]
    assert list(frame["method_name"].head(2)) == ["ANN", "WANN"]


def test_table_has_a_row_a_size() -> None:
    plan, frame = records()
    means, deviations = table_of(plan, frame, "accuracy")
    assert list(means["dimensions"]) == [640, 6, 64, 128]
    assert list(means["times smaller"].round(3)) == [1, 106.667, 10, 5]
    assert list(means["MB"]) == [2.56, 0.024, 0.256, 0.512]
    np.testing.assert_allclose(means["WANN"] - means["ANN"], 2)
    np.testing.assert_allclose(deviations["ANN"], np.std([1, 2], ddof=1))
    assert set(means["search, s"]) == {1.5}


def test_words_name_the_papers_sizes() -> None:
    plan, frame = records()
    table = grid.summary(
        frame[frame["method_name"] == "ANN"], "dimensions", "accuracy", by="reduction"
    )
    assert in_words(plan, table, "ANN", "accuracy", 4000).split("  \n") == [
        "All 640 dimensions (2.56 MB): ANN has **83.5 %** accuracy.",
        "10× smaller (at most 64 dimensions, 256 kB): PCA **54.7 %** at 64.",
        "100× smaller (at most 6 dimensions, 24 kB): PCA **51.8 %** at 6.",
    ]


def test_marks_only_where_there_are_so_many_dimensions() -> None:
    table = pd.DataFrame({"reduction": ["none"], "dimensions": [64], "mean": [0.5], "std": [0.1]})
    for columns, marked in ((64, ["10× smaller"]), (640, ["10× smaller", "100× smaller"])):
        figure = dimension_charts.curves(
            table, "accuracy", columns=columns, bytes_a_column=4000, smaller=(10, 100)
        )
        layout = figure["layout"]
        assert [note["text"] for note in layout["annotations"]] == marked
        assert layout["xaxis"]["type"] == "log"
        assert layout["xaxis"]["ticktext"][-1] == f"{columns}<br>{theme.nbytes(4000 * columns)}"


@pytest.mark.parametrize(
    ("size", "text"),
    [(4800, "4.8 kB"), (128e6, "128 MB"), (2.05e9, "2.05 GB"), (12, "0.012 kB")],
)
def test_bytes_in_the_unit_that_suits_them(size: float, text: str) -> None:
    assert theme.nbytes(size) == text


def test_a_single_time_stands_inside_its_axis() -> None:
    one = pd.DataFrame({"reduction": ["none"], "dimensions": [64], "mean": [0.06], "std": [np.nan]})
    figure = dimension_charts.curves(
        one, "time", columns=64, bytes_a_column=4, smaller=(10,), log=True
    )
    low, high = figure["layout"]["yaxis"]["range"]
    assert low + 0.2 < np.log10(0.06) < high - 0.2

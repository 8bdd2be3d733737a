"""The Label audit page opens what `wann audit --cluster` wrote: list, filter, verdicts, files."""

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.partitioned import write_result
from tests.helpers.reviewing import opened, texts
from wann_core.review.partitioned import open_review


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_result(tmp_path / "out")


def rows(app: AppTest) -> pd.DataFrame:
    return app.dataframe[0].value


def select(app: AppTest, *lines: int) -> AppTest:
    app.session_state[app.dataframe[0].proto.id.rpartition("-")[2]] = {
        "selection": {"rows": list(lines), "columns": [], "cells": []}
    }
    return app.run()


def test_rows_are_listed_filtered_judged_and_taken_back(folder: Path) -> None:
    app = opened(partitions=str(folder), who="ann")
    assert not app.exception
    assert "About **4** of 12 labels in 2 partitions look wrong (2 to 5)" in texts(app)
    assert "Pictures, neighbors and causes are not shown" in texts(app)
    assert rows(app)["name"].head(3).tolist() == ["a0.jpg", "b0.jpg", "a1.jpg"]
    assert app.button(key="partitions_keep").disabled
    app = select(app, 0, 1)
    app = app.button(key="partitions_relabel").click().run()
    assert "Verdicts: 2 relabel. Rows that fit the filter: **10**." in texts(app)
    assert rows(app)["name"].iloc[0] == "a1.jpg"
    app = app.multiselect(key="partitions_given_label").set_value(["=owl"]).run()
    assert set(rows(app)["name"]) == {"a2.jpg", "b2.jpg", "a5.jpg", "b5.jpg"}
    app = app.text_input(key="partitions_name").set_value("B2").run()
    assert rows(app)["name"].tolist() == ["b2.jpg"]
    found = open_review(folder).reviewed()
    assert found["action"].notna().sum() == 2 and set(found["who"].dropna()) == {"ann"}
    app = app.button(key="partitions_undo").click().run()
    assert "Verdicts: none yet" in texts(app)


def test_what_is_refused_is_said_and_changes_nothing(folder: Path) -> None:
    app = opened(partitions=str(folder), who="ann")
    app = select(app, 2)
    app = app.button(key="partitions_relabel").click().run()
    assert "no other label is suggested" in " ".join(box.value for box in app.error)
    assert open_review(folder).reviewed()["action"].isna().all()


def test_a_bad_folder_says_so_beside_the_field_and_the_page_stays(
    tmp_path: Path,
) -> None:
    app = opened(partitions=str(tmp_path), probe=False)
    (error,) = app.sidebar.error
    assert "no finished audit of partitions" in error.value
    assert "Every label of train, val and test is judged" in texts(app)
    app = opened(partitions="/proc", probe=False)
    assert "outside the folders that this server may use" in app.sidebar.error[0].value

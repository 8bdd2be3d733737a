"""The Data page: what is there, how to get more, deleting, and labels for new rows."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.helpers.data_page import press, said, until
from tests.helpers.pictures import write_photos
from tests.helpers.user_tables import write
from wann_core.datasets import load
from wann_core.embedding.backbones import Pixels
from wann_core.embedding.embed import embed


def test_no_folder_is_an_empty_page(page: Callable[..., AppTest]) -> None:
    app = page("here")
    assert said(app, "No embedding database lies in")
    assert not app.error
    known = app.dataframe[0].value
    assert list(known["name"][:2]) == ["digits", "mnist"]
    for task, sentence in (
        ("embed", "Name a folder that holds one subfolder per class"),
        ("import", "A table holds one row a sample"),
        ("label", "digits has no unlabeled rows"),
    ):
        app = page(task)
        assert said(app, sentence), task
        assert not app.error


def test_a_marked_data_set_shows_how_to_get_it_and_leads_to_its_images(
    page: Callable[..., AppTest],
) -> None:
    names = list(page("here").dataframe[0].value["name"])

    def marked(name: str) -> AppTest:
        selection = {"rows": [names.index(name)], "columns": [], "cells": []}
        return page("here", known_False={"selection": selection})

    assert said(marked("mnist"), "Home page")
    app = marked("digits")
    assert not any(button.label == "Embed its images" for button in app.button)
    app = marked("mnist")
    press(app, "Embed its images")
    assert not app.exception and not app.warning
    state = [app.session_state[key] for key in ("task", "source", "embed_dataset")]
    assert state == ["embed", "known", "mnist"]


def test_new_rows_are_labeled(page: Callable[..., AppTest], tmp_path: Path) -> None:
    data = load("digits", "pixels")
    path = write(tmp_path / "new.npz", {"embeddings": data.test.X}, "npz")
    app = page("label", vote_on="file", vote_path=str(path))
    press(app, "Label them")
    until(app, lambda: said(app, "597 rows labeled by WANN"))
    assert len(app.dataframe[0].value) == 597
    narrow = write(tmp_path / "narrow.npz", {"embeddings": data.test.X[:, :7]}, "npz")
    app = page("label", vote_on="file", vote_path=str(narrow))
    press(app, "Label them")
    until(app, lambda: said(app, "must have the 64 columns"))


def test_deleting_a_database_asks_first(page: Callable[..., AppTest], tmp_path: Path) -> None:
    images = write_photos(tmp_path / "photos")
    embed(images, Pixels(8), tmp_path / "db")
    names = hash((("photos", "pixels", "ready"),))
    marked = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app = page("here", **{f"stored_{names}": marked})
    press(app, "Delete …")
    assert said(app, "will be gone for good")
    assert (tmp_path / "db" / "photos" / "pixels").is_dir()

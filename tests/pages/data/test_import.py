"""Tables on the Data page: understood, imported, refused beside their field."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.data_page import digits_table, press, said, until
from tests.helpers.user_tables import write
from wann_core.datasets import load


@pytest.mark.parametrize("form", ["csv", "parquet", "npz"])
def test_table_by_its_path(page: Callable[..., AppTest], tmp_path: Path, form: str) -> None:
    path = digits_table(tmp_path / f"my {form}.table", form)
    app = page("import", table_path=str(path))
    until(app, lambda: said(app, "597 have a label, of 10 classes"))
    assert said(app, f"Understood: {form}, 597 rows")
    press(app, "Import")
    until(app, lambda: said(app, f"**my {form}** by **embeddings** is imported"))
    # An empty page afterwards, and the data set where all look for it.
    until(app, lambda: said(app, "A table holds one row a sample"))
    made = load(f"my {form}", "embeddings", tmp_path / "db")
    assert made.class_names == tuple(f"digit {c}" for c in range(10))
    assert len(made.train.y) + len(made.test.y) == 597


def test_problems_are_named_before_anything_is_written(
    page: Callable[..., AppTest], tmp_path: Path
) -> None:
    X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    X[3, 1] = np.nan
    X[9] = X[8]
    label = ["a", "b"] * 19 + ["b", "alone"]
    path = write(tmp_path / "bad.parquet", {"embedding": X, "label": label}, "parquet")
    app = page("import", table_path=str(path))
    until(app, lambda: said(app, "1 row holds NaN"))
    assert said(app, "1 row repeats the embedding of an earlier row")
    assert said(app, "1 class has fewer than 2 rows with that label ('alone')")
    press(app, "Import")
    until(app, lambda: len(app.error) == 2)
    assert not (tmp_path / "db" / "bad").exists()
    app.checkbox(key="drop_bad").check().run()
    press(app, "Import")
    until(app, lambda: said(app, "**bad** by **embeddings** is imported"))
    assert not said(app, "NaN")


def test_columns_chosen_of_one_file_are_not_those_of_the_next(
    page: Callable[..., AppTest], tmp_path: Path
) -> None:
    columns = {f"e{i}": np.arange(40.0) * (i + 1) for i in range(4)}
    label = ["a", "b"] * 20
    texts = {**columns, "e1": ["x"] * 40, "label": label}
    one = write(tmp_path / "one.csv", texts, "csv")
    two = write(tmp_path / "two.csv", {**columns, "label": label}, "csv")
    app = page("import", table_path=str(one))
    until(app, lambda: said(app, "40 rows of 3 dimensions"))
    assert said(app, "Text where the names promise embeddings: 'e1'; these dimensions are missing.")
    assert "1 further column stays with the rows" in [box.label for box in app.expander]
    app.text_input(key="table_path").input(str(two)).run()
    until(app, lambda: said(app, "40 rows of 4 dimensions"))
    assert not said(app, "names promise embeddings")


def test_a_table_of_image_files_shows_the_way_to_embed_them(
    page: Callable[..., AppTest], tmp_path: Path
) -> None:
    files = [f"cat/{i}.jpg" for i in range(4)]
    table = write(tmp_path / "mine.csv", {"file": files, "label": list("abab")}, "csv")
    app = page("import", table_path=str(table))
    until(app, lambda: said(app, "metadata.csv, with columns file_name and label"))
    app = page("embed", embed_folder=str(table))
    until(app, lambda: said(app, "metadata.csv, with columns file_name and label"))


@pytest.mark.parametrize("name", ["../../escape", "<b>bold</b>", "", ".hidden"])
def test_hostile_names_are_refused(page: Callable[..., AppTest], tmp_path: Path, name: str) -> None:
    path = digits_table(tmp_path / "mine.csv")
    app = page("import", table_path=str(path), **{"call_mine.csv": name})
    until(app, lambda: any(button.label == "Import" for button in app.button))
    press(app, "Import")
    until(app, lambda: said(app, "“Name of the data set” must be made of letters"))
    assert not any((tmp_path / "db").glob("*"))


def test_second_import_of_a_name_is_refused(page: Callable[..., AppTest], tmp_path: Path) -> None:
    path = digits_table(tmp_path / "mine.csv")
    import_it(page("import", table_path=str(path)), "is imported")
    import_it(page("import", table_path=str(path)), "already a database of 'mine'")


def import_it(app: AppTest, sentence: str) -> None:
    until(app, lambda: any(button.label == "Import" for button in app.button))
    press(app, "Import")
    until(app, lambda: said(app, sentence))


@pytest.mark.parametrize("task", ["import", "label"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "content is empty"), (b"PK\3\4 broken", "cannot be read"), (None, "does not exist")],
)
def test_file_of_no_use_is_reported(
    page: Callable[..., AppTest], tmp_path: Path, task: str, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content)
    app = page(task, vote_on="file", table_path=str(path), vote_path=str(path))
    if task == "label" and content is not None:
        press(app, "Label them")
    until(app, lambda: said(app, sentence))

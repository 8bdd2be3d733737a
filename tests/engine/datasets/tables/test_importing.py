import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyarrow import feather

from tests.helpers.user_tables import embeddings, healthy, write
from wann_core import datasets
from wann_core.datasets import database, tables
from wann_core.datasets.tables import Columns, Table
from wann_core.errors import WannError


def table_of(tmp_path: Path, **changes: Any) -> Table:
    """A healthy table with other columns."""
    return tables.read(write(tmp_path / "table", healthy() | changes, "npz"))


def found(table: Table, severity: str, **options: Any) -> str:
    return " | ".join(p.text for p in tables.problems(table, **options) if p.severity == severity)


def test_a_healthy_table_has_no_problem(tmp_path: Path) -> None:
    split = np.array(["train", "val", "test"])[np.arange(120) // 10 % 3]
    assert tables.problems(table_of(tmp_path)) == []
    full = table_of(tmp_path, split=split, clean_label=np.arange(120) % 3, id=np.arange(120))
    assert tables.problems(full) == []


def test_bad_rows_are_reported_and_dropped_on_request(tmp_path: Path) -> None:
    X = healthy()["embedding"].astype(np.float64)
    X[3, 0], X[5, 1], X[[7, 8, 9, 119], 2] = np.nan, np.inf, -np.inf
    table = table_of(tmp_path, embedding=X, id=np.arange(120), path=np.arange(120).astype(str))
    text = found(table, "error")
    assert "6 rows hold NaN, infinity or nothing in the embeddings (rows 3, 5, 7, 8, 9" in text
    assert "and 1 more" in text
    options = {"dataset": "d", "backbone": "b", "database_root": tmp_path / "db", "split": "none"}
    with pytest.raises(WannError, match="6 rows hold NaN"):
        tables.write_table(table, **options)
    assert not (tmp_path / "db").exists()
    place = tables.write_table(table, **options, drop_bad=True)
    train = database.load(tmp_path / "db", "d", "b").train
    kept = [i for i in range(120) if i not in (3, 5, 7, 8, 9, 119)]
    assert train.ids.tolist() == kept
    assert train.names == tuple(map(str, kept))
    assert np.array_equal(train.X, table.X[kept]) and np.array_equal(train.y, table.y[kept])
    assert database.manifest(place)["source"]["dropped_rows"] == [3, 5, 7, 8, 9, 119]
    assert tables.drop_bad_rows(tables.drop_bad_rows(table)).rows.tolist() == kept


def test_a_table_of_bad_rows_only(tmp_path: Path) -> None:
    table = table_of(tmp_path, embedding=np.full((120, 4), np.nan))
    assert "no row has a complete embedding" in found(table, "error")
    assert "no row has a complete embedding" in found(tables.drop_bad_rows(table), "error")


@pytest.mark.parametrize(
    ("changes", "severity", "text"),
    [
        ({"label": np.zeros(120, int)}, "error", "all labels are '0'"),
        ({"label": np.full(120, -1)}, "error", "no row has a label"),
        ({"label": np.arange(120) % 3 - 1}, "warning", "40 rows have no label"),
        ({"label": np.arange(120) // 119}, "warning", "1 class has fewer than 2 rows"),
        ({"id": np.arange(120) // 2}, "warning", "60 ids repeat an earlier one"),
        ({"id": ["", *map(str, range(119))]}, "warning", "1 row has no id"),
        ({"split": ["test"] * 120}, "error", "no labeled row is in the split 'train'"),
        ({"split": ["train"] * 119 + [""]}, "error", "1 row has a label but no split (row 119)"),
        (
            {"split": ["train"] * 60 + ["test"] * 60, "label": [0, 1] * 30 + [0, 2] * 30},
            "warning",
            "1 class is in test but never in train ('2')",
        ),
        ({"clean_label": ["0"] * 119 + [""]}, "error", "1 row has a label but no clean label"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, changes: dict[str, Any], severity: str, text: str
) -> None:
    assert text in found(table_of(tmp_path, **changes), severity)


def test_duplicates_are_kept_apart(tmp_path: Path) -> None:
    X = healthy()["embedding"].copy()
    X[50], X[60], X[61], X[0, 0], X[90] = X[2], X[3], X[3], 0.0, X[0]
    X[90, 0] = -0.0  # equal to 0
    split = ["train"] * 60 + ["test"] * 60
    table = table_of(tmp_path, embedding=X, split=split)
    text = found(table, "warning")
    assert "4 rows repeat the embedding of an earlier row (rows 50, 60, 61 and 90)" in text
    # Rows 3 and 61, 0 and 90 hold different labels or the same: 3 % 3 = 60 % 3, 61 % 3 = 1.
    assert "1 embedding occurs with different labels" in text
    assert "2 embeddings are both in train and in test" in text


def test_constant_dimensions_and_few_rows(tmp_path: Path) -> None:
    X = healthy(12)["embedding"].copy()
    X[:, 1] = 4
    table = table_of(tmp_path, embedding=X, label=np.arange(12) % 3)
    text = found(table, "warning")
    assert "1 dimension is the same in all rows (number 1)" in text
    assert "12 rows are few" in text
    columns = {"e10": X[:, 0], "e9": X[:, 1], "label": np.arange(12) % 3}
    wide = tables.read(write(tmp_path / "wide", columns))
    assert "1 dimension is the same in all rows ('e9')" in found(wide, "warning")


def test_clean_labels_may_be_known_for_one_split_only(tmp_path: Path) -> None:
    split = ["train"] * 90 + ["test"] * 30
    clean = ["2"] * 90 + [""] * 30
    table = table_of(tmp_path, split=split, clean_label=clean)
    assert "clean" not in found(table, "error")
    parts = tables.to_splits(table, "column")
    assert parts["train"].clean is not None and set(parts["train"].clean.tolist()) == {2}
    assert parts["test"].clean is None
    with pytest.raises(WannError, match="clean label"):
        tables.to_splits(table, "none")


def test_the_three_split_rules(tmp_path: Path) -> None:
    label = np.arange(120) % 3
    label[[4, 5]] = -1
    split = np.array(["train", "val", "test"])[np.arange(120) // 40]
    table = table_of(tmp_path, label=label, split=split, id=np.arange(120) + 1000)
    by_column = tables.to_splits(table, "column")
    assert list(by_column) == ["train", "val", "test", "unlabelled"]
    assert by_column["val"].ids.tolist() == list(range(40, 80))
    assert by_column["val"].names == tuple(str(1000 + i) for i in range(40, 80))
    assert by_column["unlabelled"].ids.tolist() == [4, 5]
    assert by_column["unlabelled"].y.tolist() == [-1, -1]
    none = tables.to_splits(table, "none")
    assert {name: len(part) for name, part in none.items()} == {"train": 118, "unlabelled": 2}
    drawn = tables.to_splits(table, "stratified", test_share=0.25, seed=3)
    assert np.bincount(drawn["test"].y).tolist() == [10, 10, 10]
    again = tables.to_splits(table, "stratified", test_share=0.25, seed=3)
    assert drawn["test"].ids.tolist() == again["test"].ids.tolist()
    other = tables.to_splits(table, "stratified", test_share=0.25, seed=4)
    assert drawn["test"].ids.tolist() != other["test"].ids.tolist()


@pytest.mark.parametrize(
    ("split", "options", "field"),
    [
        ("column", {}, "split"),
        ("odd", {}, "split"),
        ("stratified", {"test_share": 0.0}, "test_share"),
        ("stratified", {"test_share": 1}, "test_share"),
        ("stratified", {"seed": -1}, "seed"),
    ],
)
def test_impossible_splits(tmp_path: Path, split: str, options: dict[str, Any], field: str) -> None:
    with pytest.raises(WannError) as refused:
        tables.to_splits(table_of(tmp_path), split, **options)
    assert refused.value.field == field


def test_an_imported_table_is_a_data_set(tmp_path: Path) -> None:
    path = write(tmp_path / "upload-8f3", healthy(), "parquet")
    options = {"dataset": "birds", "backbone": "mine", "database_root": tmp_path / "db"}
    place = tables.import_table(
        path, **options, split="stratified", seed=5, source="C:\\my/birds.parquet"
    )
    assert place == tmp_path / "db" / "birds" / "mine"
    assert datasets.load("birds", "mine", tmp_path / "db").n_classes == 3
    made = database.manifest(place)
    assert made["split"] == {"rule": "stratified", "test_share": 0.2, "seed": 5}
    assert made["source"] == {
        "format": "parquet",
        "file": "birds.parquet",
        "rows": 120,
        "dropped_rows": [],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "columns": {
            "embeddings": ["embedding"],
            "label": "label",
            "split": None,
            "clean_label": None,
            "image": None,
            "id": None,
            "group": None,
            "text": None,
            "annotators": [],
            "more": None,
        },
    }
    with pytest.raises(WannError, match="already") as refused:
        tables.import_table(path, **options, split="none")
    assert refused.value.field == "dataset"
    with pytest.raises(WannError, match="letters") as refused:
        tables.import_table(path, **options | {"dataset": "../x"}, split="none")


def test_a_split_column_matters_only_where_it_is_used(tmp_path: Path) -> None:
    path = write(tmp_path / "t", healthy() | {"split": ["test"] * 120})
    options = {"dataset": "d", "backbone": "b", "database_root": tmp_path / "db"}
    with pytest.raises(WannError, match="'train'"):
        tables.import_table(path, **options, split="column")
    tables.import_table(path, **options, split="none")
    assert len(database.load(tmp_path / "db", "d", "b").train) == 120


def photos(root: Path, number: int = 120) -> list[str]:
    (root / "in").mkdir(parents=True)
    for i in range(number):
        (root / "in" / f"{i}.png").write_bytes(b"x")
    return [f"in/{i}.png" for i in range(number)]


def test_images_are_found_in_the_folder_that_the_user_gave(tmp_path: Path) -> None:
    names = photos(tmp_path / "photos")
    names[1] = str(tmp_path / "photos" / "in" / "1.png")
    names[2], names[3], names[4] = "./in/../in/2.png", "in/none.png", ""
    names[5] = "in/" + "n" * 300 + ".png"
    root = tmp_path / "photos" / ".." / "photos"
    table = table_of(tmp_path, image=names, id=np.arange(120))
    assert found(table, "error", image_root=root) == ""
    text = found(table, "warning", image_root=root)
    assert "3 images are not in the folder" in text and "(rows 3, 4 and 5)" in text
    place = tables.write_table(
        table,
        dataset="d",
        backbone="b",
        database_root=tmp_path / "db",
        split="none",
        image_root=root,
    )
    train = database.load(tmp_path / "db", "d", "b").train
    assert train.names is not None
    assert train.names[:5] == ("in/0.png", "in/1.png", "in/2.png", "in/none.png", "")
    assert database.manifest(place)["images"] == {
        "source": "files",
        "root": str(tmp_path / "photos"),
    }
    images = datasets.load("d", "b", tmp_path / "db").images
    assert images is not None and images.splits["train"].where(2) == "in/2.png"


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "in/../../photos2/1.png", "link/s"]
)
def test_images_outside_the_folder_are_an_error(tmp_path: Path, name: str) -> None:
    names = photos(tmp_path / "photos")
    (tmp_path / "photos2").mkdir()
    (tmp_path / "photos2" / "1.png").write_bytes(b"x")
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "photos2")
    names[7] = name
    table = table_of(tmp_path, image=names)
    with pytest.raises(WannError, match=r"1 image lies outside the folder .* \(row 7\)"):
        tables.write_table(
            table,
            dataset="d",
            backbone="b",
            database_root=tmp_path / "db",
            split="none",
            image_root=tmp_path / "photos",
        )
    assert not (tmp_path / "db").exists()


def test_a_folder_of_images_needs_to_exist_and_to_be_of_use(tmp_path: Path) -> None:
    options = {"dataset": "d", "backbone": "b", "database_root": tmp_path / "db", "split": "none"}
    with pytest.raises(WannError, match="does not exist"):
        table = table_of(tmp_path, image=np.arange(120))
        tables.write_table(table, **options, image_root=tmp_path / "nowhere")
    with pytest.raises(WannError, match="needs an image column"):
        tables.write_table(table_of(tmp_path), **options, image_root=tmp_path)


def test_without_ids_the_images_name_the_rows(tmp_path: Path) -> None:
    table = table_of(tmp_path, image=[f"{i}.png" for i in range(120)])
    assert tables.to_splits(table, "none")["train"].names == table.images
    assert tables.to_splits(table_of(tmp_path), "none")["train"].names is None


def test_columns_are_written_in_their_natural_order(tmp_path: Path) -> None:
    columns = {f"e{j}": healthy()["embedding"][:, j % 4] + j for j in (3, 10, 2)}
    path = write(tmp_path / "t", columns | {"y": [0, 1] * 60})
    table = tables.read(path, Columns(("e10", "e3", "e2"), "y"))
    assert table.columns.embeddings == ("e2", "e3", "e10")
    assert np.array_equal(table.X[:, 2], columns["e10"])


@pytest.mark.parametrize("form", ["parquet", "feather"])
@pytest.mark.parametrize("bare", [False, True])
def test_images_in_the_table_are_stored_beside_the_embeddings(
    tmp_path: Path, form: str, bare: bool
) -> None:
    """As Hugging Face's datasets write them, whatever path stands beside them."""
    files = []
    for number in range(6):
        file = io.BytesIO()
        Image.new("RGB", (4, 4), (40 * number, 0, 0)).save(file, ("PNG", "JPEG")[number % 2])
        files.append(file.getvalue())
    files[5] = b"no image"
    structs = [{"bytes": content, "path": "../../etc/x.sh"} for content in files]
    images = pa.array(files if bare else structs)
    table = pa.table(
        {"embedding": list(embeddings(6)), "label": ["a", "b"] * 3, "image": images}
    ).take([4, 1, 2, 3, 0, 5])
    path = tmp_path / "t"
    (pq.write_table if form == "parquet" else feather.write_feather)(table, path)
    found = tables.inspect(path)
    assert found.guess.image == "image"
    assert [(c.kind, c.dtype) for c in found.columns if c.name == "image"] == [("image", "images")]
    place = tables.import_table(
        path, dataset="d", backbone="b", database_root=tmp_path / "db", split="none"
    )
    data = datasets.load("d", "b", tmp_path / "db")
    assert data.train.names == ("0.png", "1.jpg", "2.png", "3.jpg", "4.png", "")
    assert sorted(p.name for p in (place / "images").iterdir()) == sorted(data.train.names[:5])
    image = data.image("train", 0)
    assert image is not None and image.getpixel((0, 0))[0] == 160
    assert {p.name for p in (tmp_path / "db" / "d").iterdir()} == {"b"}

"""What a table holds is read alike from every format and dialect."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.user_tables import FORMATS, LABELS, embeddings, healthy, wide, write
from wann_core.datasets import database, tables
from wann_core.datasets.tables import Columns
from wann_core.storage.tables import to_csv


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", ["list", "wide"])
def test_a_table_reads_the_same_from_every_format(tmp_path: Path, form: str, shape: str) -> None:
    X = embeddings()
    columns = {"embeddings": X} if shape == "list" else wide(X)
    if (form, shape) == ("npz", "wide"):
        columns |= {"decoy": X[:, :2]}
    columns |= {
        "label": LABELS,
        "split": ["train", "Training", "TEST", "val", "dev", "testing"] * 2,
        "clean_label": LABELS[::-1],
        "id": np.arange(100, 112),
        "path": [f"a/{i}.png" for i in range(12)],
    }
    path = write(tmp_path / "table", columns, form)
    chosen = None
    if (form, shape) == ("npz", "wide"):
        chosen = Columns(("e2", "e0", "e1"), "label", "split", "clean_label", "path", "id")
    table = tables.read(path, chosen)
    assert table.X.dtype == np.float32
    assert np.array_equal(table.X, X)
    assert table.class_names == ("bird", "cat", "dog")
    assert [table.class_names[c] for c in table.y] == LABELS
    assert table.clean is not None and table.split is not None
    assert [table.class_names[c] for c in table.clean] == LABELS[::-1]
    assert table.split.tolist() == ["train", "train", "test", "val", "val", "test"] * 2
    assert table.ids == tuple(map(str, range(100, 112)))
    assert table.images == tuple(f"a/{i}.png" for i in range(12))
    assert table.rows.tolist() == list(range(12))
    assert table.format == form
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("labels", "names", "y"),
    [
        ([2, 0, 1, 10], ("0", "1", "2", "10"), [2, 0, 1, 3]),
        ([7, 3, 3, 7], ("3", "7"), [1, 0, 0, 1]),
        ([1.0, 0.0, 2.0, np.nan], ("0", "1", "2"), [1, 0, 2, -1]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (["b", "a", " a ", ""], ("a", "b"), [1, 0, 0, -1]),
        (["10", "9", "", "9"], ("9", "10"), [1, 0, -1, 0]),
        (["007", "7", "08", "7"], ("007", "08", "7"), [0, 2, 1, 2]),
        ([-1, 0, 1, 0], ("0", "1"), [-1, 0, 1, 0]),
        ([-1, 1, 1, -1], ("-1", "1"), [0, 1, 1, 0]),
        ([-2, 5, 5, -2], ("-2", "5"), [0, 1, 1, 0]),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_labels_become_class_ids(
    tmp_path: Path, form: str, labels: list[Any], names: tuple[str, ...], y: list[int]
) -> None:
    path = write(tmp_path / "t", {"embedding": embeddings(4), "label": labels}, form)
    table = tables.read(path)
    assert table.class_names == names
    assert table.y.tolist() == y


def test_missing_labels_of_parquet_are_unlabeled(tmp_path: Path) -> None:
    for labels in ([None, "a", "b"], [None, 0, 1], [None, False, True]):
        path = write(tmp_path / "t", {"embedding": embeddings(3), "label": labels}, "parquet")
        assert tables.read(path).y.tolist() == [-1, 0, 1]


def test_a_category_nobody_has_is_no_class(tmp_path: Path) -> None:
    label = pd.Categorical(["a", "c", "a"], categories=["c", "b", "a"])
    pd.DataFrame({"x0": [1.0, 2, 3], "x1": [1.0, 2, 3], "label": label}).to_parquet(tmp_path / "t")
    assert tables.read(tmp_path / "t").class_names == ("a", "c")


def test_a_table_without_labels_is_read_whole(tmp_path: Path) -> None:
    table = tables.read(write(tmp_path / "t", wide(embeddings())))
    assert table.y.tolist() == [-1] * 12
    assert table.class_names == ()


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int16, np.uint8])
@pytest.mark.parametrize("form", ["npz", "parquet"])
def test_embeddings_of_any_number_type(tmp_path: Path, form: str, dtype: Any) -> None:
    X = np.arange(12).reshape(4, 3).astype(dtype)
    path = write(tmp_path / "t", {"embedding": X, "label": [0, 1, 0, 1]}, form)
    table = tables.read(path)
    assert table.X.dtype == np.float32
    assert np.array_equal(table.X, X)


def test_fixed_size_lists_tensors_and_missing_lists(tmp_path: Path) -> None:
    X = embeddings(6, 2)
    flat = pa.array(X.ravel())
    fixed = pa.FixedSizeListArray.from_arrays(flat, 2)
    tensor = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [2]), fixed)
    large = pa.LargeListArray.from_arrays(np.arange(7) * 2, flat)
    for array in (fixed, tensor, large):
        pq.write_table(pa.table({"embedding": array, "label": [0, 1] * 3}), tmp_path / "t")
        assert np.array_equal(tables.read(tmp_path / "t").X, X)
    lists = [None, [1.0, 2.0], [3.0, None], [], [5.0, 6.0]]
    pq.write_table(pa.table({"embedding": lists, "label": [0, 1, 0, 1, 0]}), tmp_path / "t")
    expected = [[np.nan] * 2, [1, 2], [3, np.nan], [np.nan] * 2, [5, 6]]
    assert np.array_equal(tables.read(tmp_path / "t").X, expected, equal_nan=True)


def test_many_row_groups_are_read_in_order(tmp_path: Path) -> None:
    X = embeddings(5000, 40)
    pq.write_table(
        pa.table({**wide(X), "y": np.arange(5000) % 7}), tmp_path / "t", row_group_size=333
    )
    table = tables.read(tmp_path / "t")
    assert np.array_equal(table.X, X)
    assert np.array_equal(table.y, np.arange(5000) % 7)


def test_numpy_text_lists_in_csv(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(
        'v,label\n"[0.5 1.\n 2e-1]",a\n"(1, 2, nan)",b\n,c\n"[ 1,2 , 3 ]",a\n'
    )
    expected = [[0.5, 1, 0.2], [1, 2, np.nan], [np.nan] * 3, [1, 2, 3]]
    X = tables.read(tmp_path / "t").X
    assert np.array_equal(X, np.array(expected, dtype=np.float32), equal_nan=True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("separator", "decimal"),
    [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", ",")],
)
def test_csv_dialects(
    tmp_path: Path, separator: str, decimal: str, end: str, encoding: str
) -> None:
    X = embeddings()
    columns = {**wide(X), "label": LABELS}
    options = {"sep": separator, "decimal": decimal, "lineterminator": end, "encoding": encoding}
    table = tables.read(write(tmp_path / "t", columns, **options))
    assert np.array_equal(table.X, X)
    assert table.class_names == ("bird", "cat", "dog")


def test_quoted_decimal_commas_between_commas(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('e0,e1,label\n"0,5","1,25",a\n"2","-3,5",b\n')
    assert tables.read(tmp_path / "t").X.tolist() == [[0.5, 1.25], [2, -3.5]]


def test_a_csv_larger_than_a_block(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    path = write(tmp_path / "t", {**wide(X), "label": np.arange(20_000) % 5})
    assert path.stat().st_size > 10 << 20
    info = tables.inspect(path)
    assert not info.exact and abs(info.rows - 20_000) < 400
    steps: list[float] = []
    table = tables.read(path, progress=lambda done, total, text: steps.append(done / total))
    assert np.array_equal(table.X, X)
    assert np.array_equal(table.y, np.arange(20_000) % 5)
    assert steps == sorted(steps) and steps[-1] == 1 and len(steps) > 1


def test_progress_may_stop_the_reading(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: float, total: float, text: str) -> None:
        raise Stop

    for form in FORMATS:
        with pytest.raises(Stop):
            tables.read(write(tmp_path / form, healthy(), form), progress=stop)


def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    nasty = ["=cmd|' /C calc'!A0", "line\nbreak", 'quo"te', "<script>", "../../etc/passwd", "a,b;c"]
    for form in FORMATS:
        columns = {"embedding": embeddings(6), "label": nasty, "id": nasty[::-1]}
        table = tables.read(write(tmp_path / "t", columns, form))
        assert [table.class_names[c] for c in table.y] == nasty
        assert table.ids == tuple(nasty[::-1])
        place = tables.write_table(
            table, dataset=form, backbone="b", database_root=tmp_path / "db", split="none"
        )
        data = database.load(tmp_path / "db", form, "b")
        assert data.class_names == table.class_names and data.train.names == table.ids
        assert place.is_relative_to(tmp_path / "db")


def test_a_database_of_ours_can_be_imported_again(tmp_path: Path) -> None:
    path = write(tmp_path / "t", {"embedding": embeddings(), "label": LABELS, "id": LABELS})
    place = tables.import_table(
        path, dataset="d", backbone="b", database_root=tmp_path, split="none"
    )
    table = tables.read(place / "train.npz")
    assert np.array_equal(table.X, embeddings())
    assert table.columns == Columns(("embeddings",), "labels", id="ids")


def test_a_table_that_was_guarded_against_spreadsheets_is_what_it_was(tmp_path: Path) -> None:
    frame = pd.DataFrame(wide(embeddings(4)) | {"label": ["+1", "-1"] * 2, "id": list("=@ab")})
    (tmp_path / "t").write_text(to_csv(frame))
    table = tables.read(tmp_path / "t")
    assert (table.class_names, table.ids) == (("+1", "-1"), ("=", "@", "a", "b"))

import hashlib
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from tests.helpers.user_tables import FORMATS, embeddings, healthy, wide, write
from wann_core.datasets import database, tables
from wann_core.datasets.tables import Columns, Limits, parquet_probe
from wann_core.errors import WannError
from wann_core.storage.tables import to_csv
from wann_core.typing import Array

LABELS = ["cat", "dog", "cat", "bird", "dog", "cat", "dog", "bird", "cat", "dog", "cat", "bird"]


# What is read


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


@pytest.mark.parametrize("what", ["label", "id"])
@pytest.mark.parametrize("text", ["a\0b", "x" * 5000])
def test_text_that_cannot_be_kept_is_refused(tmp_path: Path, what: str, text: str) -> None:
    columns = {"embedding": embeddings(3), "label": ["a", "b", "a"], what: ["a", text, "b"]}
    for form in FORMATS:
        with pytest.raises(WannError, match=f"the {what} column (may|must)") as refused:
            tables.read(write(tmp_path / "t", columns, form))
        assert refused.value.field == what
        assert len(str(refused.value)) < 300


def test_broken_unicode_of_numpy_is_refused(tmp_path: Path) -> None:
    X = embeddings(2)
    for label in (np.array(["a", "\ud800"]), np.array([97, 0x7FFFFFFF], np.uint32).view("<U1")):
        with pytest.raises(WannError, match="must hold valid text"):
            tables.read(write(tmp_path / "t", {"embeddings": X, "labels": label}, "npz"))
    with pytest.raises(WannError, match="UTF-8"):
        label = np.array([b"a", b"\xff"])
        tables.read(write(tmp_path / "t", {"embeddings": X, "labels": label}, "npz"))


# What is guessed


def test_inspect_tells_what_there_is(tmp_path: Path) -> None:
    X = embeddings()
    for form in FORMATS:
        path = write(tmp_path / "t", {"vector": X, "target": LABELS, "note": LABELS}, form)
        info = tables.inspect(path)
        assert (info.format, info.rows, info.exact) == (form, 12, True)
        assert [column.name for column in info.columns] == ["vector", "target", "note"]
        assert [column.kind for column in info.columns] == ["list", "text", "text"]
        assert info.columns[0].width == 3
        assert info.columns[1].examples == ("cat", "dog", "cat")
        assert info.guess == Columns(("vector",), "target")


def test_the_largest_family_of_numbers_is_the_embedding(tmp_path: Path) -> None:
    X = embeddings(4, 11)
    columns = {
        "box1": X[:, 0],
        "score": X[:, 1],
        **wide(X, "f_"),
        "box2": X[:, 2],
        "f_note": X[:, 3],
        "label": [0, 1, 0, 1],
        "f_99": ["a", "b", "c", "d"],
        "year2024": X[:, 4],
    }
    for form in ("parquet", "csv"):
        info = tables.inspect(write(tmp_path / "t", columns, form))
        assert info.guess == Columns(tuple(f"f_{i}" for i in range(11)), "label")


def test_bare_numbers_may_name_the_dimensions(tmp_path: Path) -> None:
    X = embeddings(4, 11)
    frame = pd.DataFrame({str(j): X[:, j] for j in range(11)} | {"class": list("abab")})
    frame.to_csv(tmp_path / "t")  # with pandas' own nameless column of row numbers
    table = tables.read(tmp_path / "t")
    assert np.array_equal(table.X, X)
    assert table.columns.label == "class"


def test_a_word_among_numbers_is_reported_and_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("e0,e1,label\n1,2,a\n3,oops,b\n5,6,a\n")
    assert tables.inspect(tmp_path / "t").guess.embeddings == ("e0", "e1")
    with pytest.raises(WannError, match=r"column 'e1', row 1 \(counted from 0\).*'oops'"):
        tables.read(tmp_path / "t")


@pytest.mark.parametrize("form", FORMATS)
def test_a_split_column_must_speak_of_splits(tmp_path: Path, form: str) -> None:
    columns = {"embedding": embeddings(4), "label": [0, 1] * 2, "split": list("abab")}
    path = write(tmp_path / "t", columns, form)
    assert tables.inspect(path).guess.split is None
    with pytest.raises(WannError, match=r"must hold train, val or test .* got 'a'") as refused:
        tables.read(path, Columns(("embedding",), "label", split="split"))
    assert refused.value.field == "split"


@pytest.mark.parametrize(
    ("chosen", "field", "message"),
    [
        (Columns(()), "embeddings", "choose the embeddings"),
        (Columns(("e0", "nope")), "embeddings", "no column 'nope'"),
        (Columns(("e0", "e1"), label="nope"), "label", "no column 'nope'"),
        (Columns(("e0", "e1"), label="e1"), "label", "cannot be both"),
        (Columns(("e0", "label")), "embeddings", "column 'label' holds"),
        (Columns(("e0", "v")), "embeddings", "one list column or number columns"),
        (Columns(("e0", "e1"), id="v"), "id", "must hold text or numbers"),
        (Columns(("e0", "e1"), label="half"), "label", "whole numbers, got '0.5'"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_columns_that_do_not_fit(
    tmp_path: Path, form: str, chosen: Columns, field: str, message: str
) -> None:
    X = embeddings(4, 2)
    columns = {**wide(X), "v": X, "label": list("abab"), "half": [0.5, 1, 2, 3]}
    with pytest.raises(WannError, match=message) as refused:
        tables.read(write(tmp_path / "t", columns, form), chosen)
    assert refused.value.field == field


def test_too_many_classes_are_an_id_column(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t", {"embedding": embeddings(65_537, 2), "y": np.arange(65_537)}, "npz"
    )
    with pytest.raises(WannError, match="at most 65536 classes"):
        tables.read(path)


# What is refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is an image"),
        (b"\0" * 100, "none of them"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"0.5,0.25,cat\n0.1,0.2,dog\n", "first line .* must name its columns"),
        (b"5,0,0,12\n4,1,1,7\n", "first line .* must name its columns"),
        (b'"[1, 2]",cat\n"[3, 4]",dog\n', "first line .* must name its columns"),
        (b"e0,e1,e0,label\n1,2,3,a\n", "different names"),
        (b"e0,e1,label\n", "no row"),
        (b"e0,e1,label\n1,2,a\n1,2\n", "Expected 3 columns, got 2"),
        (b"e0,e1,label\n1,2,a\n1,2,\xff\x81\n", "looks like csv but cannot be read"),
        (b'e0,e1,label\n1,2,a\n1,2,"b\n1,2,c\n', "quotation marks"),
        (b'v,label\n"[1, 2]",a\n"[1, 2, 3]",b\n', "lists of one length: 2 .* 3 in row 1"),
        (b'v,label\n"[1, 2]",a\n"[1, x]",b\n', "lists of numbers"),
        (b'v,label\n"[1, 2]",a\n"[1, ..., 2]",b\n', "lists of numbers"),
        (b'v,label\n"[[1, 2], [3, 4]]",a\n', "lists of numbers"),
        (b"PAR1 but no more", "looks like parquet but cannot be read"),
        (b"PK\3\4 but no more", "cannot be read as an .npz file"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(WannError, match=message) as refused:
        tables.read(tmp_path / "t.csv")
    assert str(refused.value).count("\n") == 0 and len(str(refused.value)) < 400


@pytest.mark.parametrize("content", [b"no arrays\n", b"a,b\n1,2\n3\n", b"a,b\n1,2\n"])
def test_text_that_is_called_npz_is_told_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fake.npz").write_bytes(content)
    with pytest.raises(
        WannError, match=r"^'fake.npz' is no .npz file: its content is text, [^.]*\.$"
    ):
        tables.read(tmp_path / "fake.npz")


def test_a_missing_file_or_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(WannError, match="does not exist"):
            tables.inspect(path)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a user's file was unpickled",))


@pytest.mark.parametrize("name", ["embeddings", "labels"])
def test_pickles_are_never_loaded(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t"
    arrays = {"embeddings": embeddings(2), "labels": np.arange(2)}
    arrays[name] = np.array([Bomb(), Bomb()], dtype=object)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, **arrays)
    for look in (tables.inspect, tables.read):
        with pytest.raises(WannError, match="pickled"):
            look(path)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WannError):
        tables.read(path)


def npz(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_an_array_header_cannot_ask_for_more_than_is_there(tmp_path: Path) -> None:
    good = npy(embeddings(2))
    for shape in ("(2, 99999999999)", "(-2, -3)", "(2, 2)"):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
        raw = header.ljust(117).encode() + b"\n"
        bomb = b"\x93NUMPY\1\0" + struct.pack("<H", len(raw)) + raw + b"\0" * 24
        npz(tmp_path / "t", {"embeddings.npy": bomb, "labels.npy": npy(np.arange(2))})
        with pytest.raises(WannError, match="cut short or its header is wrong"):
            tables.read(tmp_path / "t")
    long = b"\x93NUMPY\2\0" + struct.pack("<I", 0xFFFFFF00) + b" " * 100
    npz(tmp_path / "t", {"embeddings.npy": good, "labels.npy": long})
    with pytest.raises(WannError, match=r"header .* too long"):
        tables.inspect(tmp_path / "t")


def test_zip_bombs_in_npz_are_measured_before_they_unpack(tmp_path: Path) -> None:
    zeros = {"embeddings.npy": npy(np.zeros((100_000, 100), np.float32))}
    path = npz(tmp_path / "t", zeros, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(WannError, match="at most 10,000,000 bytes"):
        tables.inspect(path, limits=Limits(max_bytes=10_000_000))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        npz(tmp_path / "t", zeros, method)
        with pytest.raises(WannError, match="stored or deflated"):
            tables.inspect(tmp_path / "t")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.npy", npy(np.arange(2)))
        archive.writestr("labels.npy", npy(np.arange(2)))
    with pytest.raises(WannError, match="same name"):
        tables.inspect(path)


def test_a_repeated_text_is_not_unpacked_row_by_row(tmp_path: Path) -> None:
    # Half a megabyte a label, 2,000 rows: a gigabyte as plain text, which the file itself is not.
    labels = pa.DictionaryArray.from_arrays(np.zeros(2000, np.int32), ["x" * 500_000])
    table = pa.table({**wide(embeddings(2000, 2)), "label": labels})
    pq.write_table(table, tmp_path / "t", store_schema=False)
    assert (tmp_path / "t").stat().st_size < 1 << 20
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(WannError, match="at most 200 characters"):
        tables.read(tmp_path / "t")
    assert pa.default_memory_pool().max_memory() < before + (200 << 20)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "limits", [Limits(max_rows=11), Limits(max_columns=2), Limits(max_bytes=100)]
)
def test_limits_hold_in_every_format(tmp_path: Path, form: str, limits: Limits) -> None:
    columns = {"embedding": embeddings(), "label": LABELS}
    path = write(tmp_path / "t", columns, form)
    with pytest.raises(WannError, match="a table may have at most"):
        tables.read(path, limits=limits)
    exact = Limits(max_rows=12, max_columns=3, max_bytes=1 << 20)
    assert len(tables.read(path, limits=exact)) == 12


def test_a_small_parquet_cannot_become_a_large_array(tmp_path: Path) -> None:
    zeros = pa.array(np.zeros(200_000, np.float32))
    pq.write_table(pa.table({f"e{j}": zeros for j in range(50)}), tmp_path / "t")
    assert (tmp_path / "t").stat().st_size < 1 << 20
    with pytest.raises(WannError, match="at most 10,000,000 bytes, this one has 40,000,000"):
        tables.inspect(tmp_path / "t", limits=Limits(max_bytes=10_000_000))
    long = pa.ListArray.from_arrays([0, 200_000], zeros)
    pq.write_table(pa.table({"embedding": long, "label": [1]}), tmp_path / "t")
    with pytest.raises(WannError, match="columns"):
        tables.read(tmp_path / "t")


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_files_are_refused_or_read(tmp_path: Path, form: str) -> None:
    whole = write(tmp_path / "t", {"embedding": embeddings(), "label": LABELS}, form).read_bytes()
    rng = np.random.default_rng(0)
    # Each Parquet file costs a process.
    turns = 10 if form == "parquet" else 100
    damaged = [whole[:cut] for cut in rng.integers(1, len(whole), turns)]
    for _ in range(turns):
        flipped = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(4, len(whole), 3)
        flipped[places] = rng.integers(0, 256, 3)
        damaged.append(flipped.tobytes())
    refused = 0
    for content in damaged:
        (tmp_path / "t").write_bytes(content)
        try:
            table = tables.read(tmp_path / "t")
        except WannError:
            refused += 1
        else:
            assert table.X.shape[0] == len(table.y)
    assert refused > turns // 2


def test_an_array_of_other_length_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "t", {"embeddings": embeddings(12), "labels": np.arange(11)}, "npz")
    assert tables.inspect(path).guess.label is None
    with pytest.raises(WannError, match="it holds int64 array, 11, not one row for each of 12"):
        tables.read(path, Columns(("embeddings",), "labels"))


def test_a_database_of_ours_can_be_imported_again(tmp_path: Path) -> None:
    path = write(tmp_path / "t", {"embedding": embeddings(), "label": LABELS, "id": LABELS})
    place = tables.import_table(
        path, dataset="d", backbone="b", database_root=tmp_path, split="none"
    )
    table = tables.read(place / "train.npz")
    assert np.array_equal(table.X, embeddings())
    assert table.columns == Columns(("embeddings",), "labels", id="ids")


def test_a_parquet_that_kills_its_reader_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t", {"embedding": embeddings(), "label": LABELS}, "parquet")
    (tmp_path / "dies.py").write_text("import os\nos.abort()\n")
    monkeypatch.setattr(parquet_probe, "__file__", str(tmp_path / "dies.py"))
    with pytest.raises(WannError, match="its footer is damaged"):
        tables.inspect(path)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_small_feather_cannot_become_a_large_table(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "t.feather"
    table = pa.table({"embedding": [np.zeros(500)] * 400, "label": ["a", "b"] * 200})
    feather.write_feather(table, path, compression=compression)
    assert path.stat().st_size < 100_000 < 400 * 500 * 8
    with pytest.raises(WannError, match="at most 100,000 bytes, this one has 1,6"):
        tables.read(path, limits=Limits(max_bytes=100_000))
    assert tables.read(path).X.shape == (400, 500)


def test_json_of_one_object_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"e0": 1, "e1": 2, "label": "a"}\n')
    with pytest.raises(WannError, match="a JSON file, where a table"):
        tables.read(tmp_path / "t")
    (tmp_path / "t").write_text('{"e0": 1, "e1": 2}\n{"e0": "x", "e1": 2}\n')
    with pytest.raises(WannError, match=r"looks like jsonl but cannot be read.*number to string"):
        tables.read(tmp_path / "t")


def test_a_table_that_was_guarded_against_spreadsheets_is_what_it_was(tmp_path: Path) -> None:
    frame = pd.DataFrame(wide(embeddings(4)) | {"label": ["+1", "-1"] * 2, "id": list("=@ab")})
    (tmp_path / "t").write_text(to_csv(frame))
    table = tables.read(tmp_path / "t")
    assert (table.class_names, table.ids) == (("+1", "-1"), ("=", "@", "a", "b"))

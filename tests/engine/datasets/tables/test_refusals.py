"""What is no table, or a hostile one, is refused in a sentence before it costs anything."""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from tests.helpers.user_tables import FORMATS, LABELS, embeddings, wide, write
from wann_core.datasets import tables
from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.formats import parquet_probe
from wann_core.errors import WannError
from wann_core.typing import Array


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is an image"),
        (b"\0" * 100, "none of them"),
        (b"\n<!DOCTYPE html>\n<html>", "is a web page"),
        ("a,b\n1,2\n".encode("utf-16"), "is UTF-16; save it as .* -f UTF-16"),
        ("a,b\n1,2\n".encode("utf-32"), "is UTF-32; save it as .* -f UTF-32"),
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
def test_text_that_is_called_npz_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fake.npz").write_bytes(content)
    with pytest.raises(
        WannError, match=r"^'fake.npz' is no .npz file: its content is text, [^.]*\.$"
    ):
        tables.read(tmp_path / "fake.npz")


def test_json_of_one_object_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"e0": 1, "e1": 2, "label": "a"}\n')
    with pytest.raises(WannError, match="a JSON file, where a table"):
        tables.read(tmp_path / "t")
    (tmp_path / "t").write_text('{"e0": 1, "e1": 2}\n{"e0": "x", "e1": 2}\n')
    with pytest.raises(WannError, match=r"looks like jsonl but cannot be read.*number to string"):
        tables.read(tmp_path / "t")


def test_a_missing_file_or_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(WannError, match="does not exist"):
            tables.inspect(path)


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

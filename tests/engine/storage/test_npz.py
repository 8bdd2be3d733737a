"""Arrays of .npz files: whatever the bytes are, they are loaded or refused by one error."""

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wann_core.errors import WannError
from wann_core.storage import npz
from wann_core.typing import Array

ARRAYS = {
    "numbers": np.arange(12, dtype=np.float32).reshape(4, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "text": np.array(["a", "bc"]),
    "empty": np.zeros((0, 5)),
    "single": np.float64(3.5),
}


def npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_every_kind_are_read_as_numpy_reads_them(tmp_path: Path, save: object) -> None:
    save(tmp_path / "a.npz", **ARRAYS)  # type: ignore[operator]
    with npz.Npz(tmp_path / "a.npz") as arrays:
        assert arrays.names == list(ARRAYS)
        assert "numbers" in arrays and "other" not in arrays
        for name, expected in ARRAYS.items():
            found = arrays.read(name)
            assert found.dtype == expected.dtype and found.shape == expected.shape
            assert np.array_equal(found, expected)
            assert np.array_equal(arrays.mapped(name, 1), expected)
            header = arrays.header(name)
            assert (header.shape, header.dtype) == (expected.shape, expected.dtype)
        assert np.array_equal(arrays.first("numbers", 2), ARRAYS["numbers"][:2])
        with pytest.raises(WannError, match="no array `other`"):
            arrays.read("other")
    assert list(npz.load(tmp_path / "a.npz", ("text", "none"))) == ["text"]


@pytest.mark.parametrize(
    "header",
    [
        b"(x\xcc\xe1?h" * 15,
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (2.5, 3), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 6), }",
        b"{'descr': '<f4', 'fortran_order': 3, 'shape': (2, 3), }",
        b"{'descr': '<f4', 'shape': (2, 3), }",
        b"{'descr': [], 'fortran_order': False, 'shape': (2, 3), }",
        b"{'descr': {}, 'fortran_order': False, 'shape': (2, 3), }",
        b"{'descr': 'zz', 'fortran_order': False, 'shape': (2, 3), }",
        b"__import__('os').system('false')",
        b"(" * 90,
        b"9" * 6000,
        b"",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3, 9])
def test_an_odd_header_is_one_error(tmp_path: Path, header: bytes, version: int) -> None:
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    member = b"\x93NUMPY" + bytes([version, 0]) + size + header + bytes(24)
    path = write(tmp_path / "a.npz", {"x.npy": member, "y.npy": npy(np.arange(3))})
    with npz.Npz(path) as arrays:
        for look in (arrays.header, arrays.read, lambda name: arrays.first(name, 1)):
            with pytest.raises(WannError, match=r"'a.npz'"):
                look("x")
        assert arrays.read("y").tolist() == [0, 1, 2]


def test_what_asks_for_gigabytes_is_refused_before_it_has_them(tmp_path: Path) -> None:
    long = b"\x93NUMPY\2\0" + struct.pack("<I", 400_000_000) + b" " * 1000
    zeros = {"x.npy": npy(np.zeros(50 << 20, np.uint8))}
    write(tmp_path / "long.npz", {"x.npy": long})
    write(tmp_path / "zeros.npz", zeros, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    for name, reason in (("long", "header .* too long"), ("zeros", "more than 200 times")):
        with pytest.raises(WannError, match=reason), npz.Npz(tmp_path / f"{name}.npz") as arrays:
            arrays.header("x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_directory_of_many_entries_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "many.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(npz.MAX_ARRAYS + 1):
            archive.writestr(f"{i}.npy", b"")
    with pytest.raises(WannError, match="more than 16,384 arrays"):
        npz.Npz(path)
    raw = path.read_bytes()
    end = raw.rindex(b"PK\5\6")
    lie = struct.pack("<L", 3 << 30)
    path.write_bytes(raw[: end + 12] + lie + raw[end + 16 :])
    with pytest.raises(WannError, match="directory of 3,221,225,472 bytes is too large"):
        npz.Npz(path)


def test_a_damaged_value_is_noticed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(1000))
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[4000] ^= 1
    (tmp_path / "a.npz").write_bytes(raw)
    with npz.Npz(tmp_path / "a.npz") as arrays:
        for look in (arrays.read, lambda name: arrays.mapped(name, 1)):
            with pytest.raises(WannError, match="CRC"):
                look("x")

"""What a file is that is none of the formats read here, recognized by its content."""

import json
import zipfile
from pathlib import Path

from wann_core.errors import WannError

TABLES = "CSV, Parquet, Feather, JSON lines or .npz"
GZIP, NPY, HDF5 = "a gzip file", "a NumPy .npy array", "an HDF5 file"
XLS, XLSX, ODS = (
    "an old Excel workbook",
    "an Excel workbook (.xlsx)",
    "an OpenDocument table (.ods)",
)
FEATHER, TORCH, PICKLE = "a Feather file of version 1", "a PyTorch file", "a Python pickle"
HTML = "a web page"
PDF, SQLITE, JSON, ZIP = "a PDF file", "an SQLite database", "a JSON file", "a zip file"

_LONGEST_LINE = 8 << 20
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", GZIP),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x93NUMPY", NPY),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\xd0\xcf\x11\xe0", XLS),
    (b"FEA1", FEATHER),
    (b"%PDF", PDF),
    (b"SQLite format 3\0", SQLITE),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
)
_PANDAS = "in Python, pandas.read_{}(FILE).to_parquet('table.parquet')"
_WAYS = {
    GZIP: "unpack it first (gunzip FILE)",
    NPY: "an array has no labels beside it: numpy.savez('table.npz', embeddings=X, labels=y)",
    HDF5: "with h5py, numpy.savez('table.npz', **{name: file[name][:] for name in file})",
    XLS: _PANDAS.format("excel"),
    XLSX: _PANDAS.format("excel"),
    ODS: _PANDAS.format("excel"),
    FEATHER: _PANDAS.format("feather"),
    TORCH: "pickles are never opened; in Python, numpy.savez('table.npz', "
    "embeddings=X.numpy(), labels=y.numpy())",
    PICKLE: "pickles are never opened; in Python, numpy.savez('table.npz', embeddings=X, labels=y)",
    JSON: _PANDAS.format("json"),
    SQLITE: "export the table as CSV",
    ZIP: "unpack it, and choose the file in it; images go to “Embed images”",
}


def kind(path: Path, head: bytes) -> str:
    """What a file is, by its first bytes; '' if it may be a table that is read here."""
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return PICKLE
    if head.startswith(b"PK\3\4"):
        return _zipped(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html")):
        return HTML
    looks_so = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    return JSON if looks_so and not is_json_lines(path) else ""


def is_json_lines(path: Path) -> bool:
    """Whether a file has an object on its first line and the beginning of one on the second."""
    with path.open("rb") as file:
        first, second = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)
    if not (second.lstrip()[:1] == b"{" and first.rstrip()[-1:] == b"}"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def refusal(path: Path, what: str) -> WannError:
    """The message for a file that is not a table, with the way out."""
    way = _WAYS.get(what, f"save the table as {TABLES}")
    return WannError(f"{path.name!r} is {what}, where a table ({TABLES}) is needed: {way}.", "path")


def _zipped(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist()[:10_000])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return ""  # the reader of .npz files names what is damaged
    if "xl/workbook.xml" in names:
        return XLSX
    if "content.xml" in names:
        return ODS
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return TORCH
    return "" if any(name.endswith(".npy") for name in names) else ZIP

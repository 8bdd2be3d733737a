"""What a file is that is none of the formats read here, recognized by its content."""

import zipfile
from pathlib import Path

from wann_core.errors import WannError

GZIP, NPY, HDF5 = "a gzip file", "a NumPy .npy array", "an HDF5 file"
XLS, XLSX, ODS = (
    "an old Excel workbook",
    "an Excel workbook (.xlsx)",
    "an OpenDocument table (.ods)",
)
FEATHER, TORCH, PICKLE = "an Arrow (Feather) file", "a PyTorch file", "a Python pickle"
PDF, SQLITE, JSON, ZIP = "a PDF file", "an SQLite database", "a JSON file", "a zip file"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", GZIP),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x93NUMPY", NPY),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\xd0\xcf\x11\xe0", XLS),
    (b"ARROW1", FEATHER),
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
    JSON: "in Python, pandas.read_json(FILE).to_parquet('table.parquet'), with lines=True for one "
    "object a line",
    SQLITE: "export the table as CSV",
    ZIP: "unpack it, and choose the file in it; images go to “Embed images”",
}


def kind(path: Path, head: bytes) -> str:
    """What a file is, by its first bytes; '' if it may be an .npz, Parquet or CSV file."""
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return PICKLE
    if head.startswith(b"PK\3\4"):
        return _zipped(path)
    return JSON if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else ""


def refusal(path: Path, what: str) -> WannError:
    """What to say of a file that is no table, with the way out."""
    way = _WAYS.get(what, "save the table as .npz, Parquet or CSV")
    return WannError(
        f"{path.name!r} is {what}, where an .npz, Parquet or CSV file is needed: {way}.", "path"
    )


def _zipped(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist()[:10_000])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return ""  # the reader of .npz files says what is damaged
    if "xl/workbook.xml" in names:
        return XLSX
    if "content.xml" in names:
        return ODS
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return TORCH
    return "" if any(name.endswith(".npy") for name in names) else ZIP

"""What somebody's file of verdicts really is, recognized by its content."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.formats import foreign
from wann_core.datasets.tables.records import column_names
from wann_core.errors import WannError

LIMITS = Limits(max_bytes=1 << 30, max_rows=2_000_000, max_columns=2000)
_JSON_BYTES = 1 << 28
_EXPORT_FIFTYONE = (
    "dataset.export(labels_path='labels.json', "
    "dataset_type=fiftyone.types.FiftyOneImageClassificationDataset, "
    "label_field='ground_truth', data_path=PHOTOS, rel_dir=PHOTOS, export_media=False), where "
    "PHOTOS is the folder of the images"
)
_EXCEL = "pandas.read_excel(FILE).to_csv('review.csv', index=False), or “CSV UTF-8” in Excel"
_NO_PICKLES = "pickles are never opened: save a table as CSV"
# What a file may be, and the line that makes something readable of it.
_WAYS = {
    foreign.GZIP: "gunzip FILE",
    foreign.NPY: "an array holds no verdicts: save a table as CSV",
    foreign.HDF5: "pandas.read_hdf(FILE).to_csv('review.csv')",
    foreign.XLS: "save it as “CSV UTF-8” in Excel",
    foreign.XLSX: _EXCEL,
    foreign.ODS: "soffice --headless --convert-to csv FILE",
    foreign.FEATHER: "pandas.read_feather(FILE).to_csv('review.csv')",
    foreign.PDF: "export the table as CSV",
    foreign.TORCH: _NO_PICKLES,
    foreign.PICKLE: _NO_PICKLES,
    foreign.ZIP: "unzip FILE, and choose the file in it",
}


class Kind(NamedTuple):
    """What a file is.

    Attributes
    ----------
    name : str
        'ledger', 'table', 'labelstudio', 'labelstudio-table', 'fiftyone', 'fiftyone-samples' or
        'cleanlab'.
    title : str
        For people.
    content : object
        The parsed JSON where it is that, else None.
    """

    name: str
    title: str
    content: Any = None


def recognize(path: Path, limits: Limits) -> Kind:
    """What a file of verdicts is.

    Raises
    ------
    WannError
        If it is nothing that can be read here: by what it really is, with the way out.
    """
    if not path.is_file():
        raise WannError(f"the file {str(path)!r} does not exist.", "path")
    limits.check(bytes=path.stat().st_size)
    with path.open("rb") as file:
        head = file.read(4096)
    what = foreign.kind(path, head)
    if what == foreign.SQLITE:
        return Kind("ledger", "a ledger of verdicts")
    if what == foreign.JSON:
        return _json(path)
    if not what and head.startswith(b"PK\3\4"):
        raise _refused("an .npz file of arrays, or damaged", "save a table as CSV")
    if what:
        raise _refused(what, _WAYS.get(what, "save a table as CSV"))
    return _table(path, limits)


@contextlib.contextmanager
def as_utf8(path: Path) -> Iterator[tuple[Path, str]]:
    """A text file as UTF-8: itself, or a temporary copy; and the encoding if it is another.

    Excel saves "CSV" in Windows-1252 and "Unicode text" in UTF-16.

    Raises
    ------
    WannError
        If it is text in none of the three.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head in (b"PAR1", b"SQLi", b"ARRO") or _decodes(path, "utf-8"):
        yield path, ""
        return
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding, title = ("utf-16", "UTF-16") if utf16 else ("cp1252", "Windows-1252")
    if not _decodes(path, encoding):
        raise WannError(
            f"{path.name!r} is text in an encoding that is not known here; save it as “CSV UTF-8”.",
            "path",
        )
    with tempfile.TemporaryDirectory(prefix="wann-import-") as folder:
        copy = Path(folder) / path.name
        with (
            path.open(encoding=encoding, newline="") as old,
            copy.open("w", encoding="utf-8", newline="") as new,
        ):
            while block := old.read(1 << 20):
                new.write(block)
        yield copy, title


def _decodes(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as file:
            while file.read(1 << 20):
                pass
    except UnicodeError:
        return False
    return True


def _table(path: Path, limits: Limits) -> Kind:
    with as_utf8(path) as (plain, encoding):
        names = {*column_names(plain, limits=limits)}
    suffix = f", in {encoding}" if encoding else ""
    if {"annotation_id", "annotator"} <= names:
        return Kind("labelstudio-table", f"a CSV export of Label Studio{suffix}")
    if "is_label_issue" in names and "action" not in names:
        return Kind("cleanlab", f"a table of label issues, as cleanlab makes it{suffix}")
    return Kind("table", f"a table of verdicts{suffix}")


def _json(path: Path) -> Kind:
    if path.stat().st_size > _JSON_BYTES:
        raise WannError(f"a JSON file may have at most {_JSON_BYTES >> 20} MiB.", "path")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        reason = f"{path.name!r} looks like JSON but cannot be read: {error}."
        raise WannError(reason, "path") from error
    if isinstance(content, list):
        first = content[0] if content else None
        if isinstance(first, dict) and isinstance(first.get("data"), dict):
            return Kind("labelstudio", "a JSON export of Label Studio", content)
        if isinstance(first, dict) and "annotation_id" in first:
            return Kind("labelstudio", "a JSON-MIN export of Label Studio", content)
    elif isinstance(content.get("labels"), dict) and "classes" in content:
        return Kind("fiftyone", "labels.json of FiftyOne", content)
    elif "samples" in content:
        return Kind("fiftyone-samples", "samples.json of a FiftyOneDataset", content)
    elif "sample_fields" in content:
        raise _refused("metadata.json of a FiftyOneDataset", "choose its samples.json")
    elif {"images", "annotations"} <= content.keys():
        raise _refused("a COCO file", f"load it in FiftyOne, then {_EXPORT_FIFTYONE}")
    raise WannError(
        f"{path.name!r} is JSON, but neither an export of Label Studio nor FiftyOne's labels.json.",
        "path",
    )


def _refused(what: str, way: str) -> WannError:
    return WannError(f"this is {what}, which cannot be read here. Way out: {way}.", "path")

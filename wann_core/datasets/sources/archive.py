"""A user's zip of images, unpacked into a folder of its own without trusting a byte of it."""

import contextlib
import re
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wann_core.datasets.sources.image_folder import MOST_FOLDERS, SUFFIXES
from wann_core.datasets.tables.columns import SPLIT_WORDS
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.storage.files import remove_abandoned

METADATA = ("metadata.csv", "metadata.jsonl")

# What zipfile raises for damaged files; a `progress` that stops raises something else.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    ValueError,
)
_CHUNK = 1 << 20
_DRAFT = ".unpacking-"
# A flat drawing of this size may well be packed a thousandfold.
_RATIO_FREE = 16 << 20
# The others are unpacked without bound: a few bytes of bzip2 may become megabytes in one call.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENTRY = b"PK\1\2"
_HEADER = 30
# One of these alone on top is a split, not the folder that somebody zipped.
_SPLIT_FOLDERS = (*SPLIT_WORDS, "unlabelled", "unlabeled")


@dataclass(frozen=True)
class Report:
    """What came out of an archive.

    Attributes
    ----------
    folder : Path
    images, metadata : int
        Files of each kind that were written.
    nbytes : int
        Their size.
    skipped : tuple of (str, str)
        Entries that were left out, with the reason.
    """

    folder: Path
    images: int
    metadata: int
    nbytes: int
    skipped: tuple[tuple[str, str], ...]


def unpack_images(
    zip_path: str | Path,
    destination: str | Path,
    *,
    max_bytes: int = 8 << 30,
    max_files: int = 200_000,
    max_ratio: float = 200,
    progress: Progress | None = None,
) -> Report:
    """Unpack the images of a zip file into a new folder, wholly or not at all.

    Kept are files with the suffix of an image, metadata.csv and metadata.jsonl; hidden files and
    those of macOS are left out. If all lie in one folder, that folder is left out of their paths.

    Parameters
    ----------
    zip_path : str or Path
    destination : str or Path
        A folder that does not exist yet, in one that does.
    max_bytes : int
        Bound on what comes out.
    max_files : int
        Bound on the entries of the archive, of whatever kind.
    max_ratio : float
        Bound on bytes that come out for each byte that is packed, in one entry and in all of them;
        the first 16 MiB are free.
    progress : callable, optional
        Called with (bytes done, bytes in all, text); may raise to stop, which leaves nothing.

    Returns
    -------
    Report

    Raises
    ------
    WannError
        If the file is not a zip file, damaged, encrypted or too large; if an entry's path leads
        out of the folder or two entries mean the same file; if there is no image; if the folder
        exists.
    """
    zip_path, destination = Path(zip_path), Path(destination)
    if destination.exists():
        raise WannError(
            f"the folder {str(destination)!r} exists already; choose another name.", "destination"
        )
    # zipfile makes an object of each entry, so they are counted before it opens the file.
    if _count_entries(zip_path) > max_files:
        raise WannError(f"the zip file may have at most {max_files:,} entries.", "path")
    with _readable(zip_path), zipfile.ZipFile(zip_path) as archive:
        # Not `is_dir`, which fails for an empty name.
        infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
        _check_overlap(infos, archive.start_dir)
        kept, skipped = _choose(infos)
        targets = _targets(kept)
        limits = _Limits(max_bytes, max_ratio, sum(info.file_size for info in kept))
        limits.check_declared(kept)
        remove_abandoned(destination.parent, f"{_DRAFT}*")
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=_DRAFT) as folder:
            draft = Path(folder) / "images"
            draft.mkdir()
            for info, target in zip(kept, targets, strict=True):
                _extract(archive, info, draft / target, limits)
                if progress:
                    progress(limits.done, limits.total, "unpacking images")
            draft.rename(destination)
    images = sum(_is_image(target.name) for target in targets)
    return Report(destination, images, len(targets) - images, limits.done, tuple(skipped))


class _Limits:
    """Counts the bytes that really come out; what an entry declares may be a lie."""

    def __init__(self, max_bytes: int, max_ratio: float, total: int) -> None:
        self.max_bytes = max_bytes
        self.max_ratio = max_ratio
        self.total = total
        self.done = 0
        self.packed = 0

    def check_declared(self, infos: Sequence[zipfile.ZipInfo]) -> None:
        """Refuse before anything is written what declares to be too large."""
        self._check_size(self.total)
        for info in infos:
            self._check_ratio(info.file_size, info.compress_size, info.filename)
        self._check_ratio(self.total, sum(info.compress_size for info in infos), "the zip file")

    def add(self, number: int, of_entry: int, info: zipfile.ZipInfo) -> None:
        """Count `number` more bytes; `of_entry` of this entry so far."""
        self.done += number
        self._check_size(self.done)
        self._check_ratio(of_entry, info.compress_size, info.filename)
        self._check_ratio(self.done, self.packed + info.compress_size, "the zip file")

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise WannError(
                f"the images of the zip file may have at most {self.max_bytes:,} bytes, "
                f"these have {size:,} or more.",
                "path",
            )

    def _check_ratio(self, size: int, packed: int, name: str) -> None:
        if size > _RATIO_FREE and size > self.max_ratio * packed:
            raise WannError(
                f"{name!r} grows more than {self.max_ratio:g} times when unpacked, unlike images.",
                "path",
            )


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what zipfile raises for damaged files into one sentence."""
    try:
        yield
    except WannError:
        raise
    except _UNREADABLE as error:
        raise WannError(
            f"{path.name!r} cannot be read as a zip file: {str(error).rstrip('.')}.", "path"
        ) from error


def _count_entries(path: Path) -> int:
    """An upper bound on the entries of the archive's directory."""
    if not path.is_file():
        raise WannError(f"the file {str(path)!r} does not exist.", "path")
    count, tail = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            count += (tail + chunk).count(_ENTRY)
            tail = (tail + chunk)[-len(_ENTRY) + 1 :]
    return count


def _check_overlap(infos: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Refuse entries that share packed bytes: the trick of bombs without a high ratio."""
    for info in sorted(infos, key=lambda info: info.header_offset, reverse=True):
        last = info.header_offset + _HEADER + info.compress_size
        if info.header_offset < 0 or last > end:
            raise WannError(
                f"entry {info.filename[:200]!r} overlaps another one or lies outside the zip file.",
                "path",
            )
        end = info.header_offset


def _choose(
    infos: Sequence[zipfile.ZipInfo],
) -> tuple[list[zipfile.ZipInfo], list[tuple[str, str]]]:
    """The entries to unpack, and the others with the reason."""
    kept, skipped = [], []
    for info in infos:
        reason = _reason_to_skip(info)
        if reason:
            skipped.append((info.filename, reason))
        else:
            kept.append(info)
    for info in kept:
        if info.flag_bits & 1 or info.compress_type not in _COMPRESSIONS:
            raise WannError(
                f"entry {info.filename!r} must be stored or deflated and not encrypted.", "path"
            )
    if not any(_is_image(info.filename) for info in kept):
        raise WannError("there is no image in the zip file.", "path")
    return kept, skipped


def _reason_to_skip(info: zipfile.ZipInfo) -> str:
    path = _path(info)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "not a plain file"
    if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
        return "hidden"
    if not _is_image(path.name) and path.name not in METADATA:
        return "not an image"
    return ""


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    """Where an entry wants to lie; refused if that is not plainly inside the folder."""
    name = info.filename
    path = PurePosixPath(name)
    odd = "\\" in name or ".." in path.parts or re.match(r"/|[A-Za-z]:", name)
    # zipfile cuts a name at NUL, which hides the rest of the name.
    if odd or any(ord(c) < 32 for c in info.orig_filename) or not path.name:
        raise WannError(
            "the paths in a zip file must be relative, with '/' between folders and no '..', "
            f"got {info.orig_filename[:200]!r}.",
            "path",
        )
    if any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in path.parts):
        raise WannError(f"a name in the zip file is too long: {name[:60]!r}….", "path")
    if len(path.parts) > MOST_FOLDERS:
        raise WannError(
            f"the zip file has folders in folders, more than {MOST_FOLDERS} deep: {name[:60]!r}….",
            "path",
        )
    return path


def _targets(infos: Sequence[zipfile.ZipInfo]) -> list[PurePosixPath]:
    """Paths to write, without the one folder that all may lie in; no two the same."""
    paths = [_path(info) for info in infos]
    tops = {path.parts[0] for path in paths}
    single = len(tops) == 1 and all(len(path.parts) > 1 for path in paths)
    if single and paths[0].parts[0].lower() not in _SPLIT_FOLDERS:
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        key = _key(path)
        if key in files:
            raise WannError(f"the zip file holds {str(path)!r} twice (whatever the case).", "path")
        files.add(key)
        folders.update(_key(parent) for parent in path.parents)
    both = sorted(files & folders)
    if both:
        raise WannError(f"{both[0]!r} is a file and a folder in the zip file.", "path")
    return paths


def _key(path: PurePosixPath) -> str:
    """Equal for paths that are one file on some system."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, limits: _Limits
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(info) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            limits.add(len(chunk), size, info)
            file.write(chunk)
    limits.packed += info.compress_size

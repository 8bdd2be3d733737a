"""The cleaned images as class folders: copies, hard links or a zip file."""

import json
import os
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError, check_choice
from wann_core.progress import Progress
from wann_core.review.corrections import refuse_injected
from wann_core.review.exports.content import (
    ImageRow,
    Review,
    images_of,
    kept_images,
    missing_images,
    safe_path,
)
from wann_core.review.exports.metadata import split_folders
from wann_core.storage.files import move
from wann_core.text import first_few, shown

WAYS = ("copy", "link")
RECORD = "labels.jsonl"
_DRAFT = ".writing-"


@dataclass(frozen=True)
class ClassFolders:
    """Which image goes where, before anything is written.

    Attributes
    ----------
    data : Dataset
    placed : tuple of (str, ImageRow)
        Path in the new folder, with '/' between folders, and the row.
    removed : int
        Rows that somebody removed.
    moved : int
        Images under another label than the given one.
    left_out : tuple of str
        Names of files that are gone, or that are not a plain path inside their folder.
    unlabeled : int
        Rows without a label.
    nbytes : int
        Of the files; 0 for rows of an array, which become PNG files.
    """

    data: Dataset
    placed: tuple[tuple[str, ImageRow], ...]
    removed: int
    moved: int
    left_out: tuple[str, ...]
    unlabeled: int
    nbytes: int

    @property
    def text(self) -> str:
        """What would be written, in a sentence."""
        folders = Counter(path.rpartition("/")[0] for path, _ in self.placed)
        parts = [
            f"{len(self.placed):,} images in {len(folders):,} class folders",
            f"{self.moved:,} of them under a corrected label",
            f"{self.removed:,} removed",
        ]
        if self.unlabeled:
            parts.append(f"{self.unlabeled:,} without a label left out")
        if self.left_out:
            few = first_few(self.left_out, 3, repr)
            parts.append(f"{len(self.left_out):,} left out, gone or without a plain name ({few})")
        return "; ".join(parts) + (f"; {self.nbytes / 1e6:,.1f} MB" if self.nbytes else "") + "."

    def write(self, folder: Path, way: str = "copy", *, progress: Progress | None = None) -> str:
        """Write a new folder, whole or not at all; what became of it, in a sentence.

        Parameters
        ----------
        folder : Path
            It must not exist, or be empty.
        way : {'copy', 'link'}
            Hard links take no room; where the file system has none, files are copied.
        progress : callable, optional
            `progress(done, total, text)`; may raise to stop, which leaves nothing.

        Raises
        ------
        WannError
            If there is something in the folder already, it lies among the class folders that the
            images come from, or there is nothing to write.
        """
        check_choice("way", way, WAYS)
        self._check()
        self._check_outside(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise WannError(
                f"`out` must be a new or an empty folder; there is something in {str(folder)!r}.",
                "out",
            )
        if not folder.absolute().parent.is_dir():
            raise WannError(f"`out` must lie in an existing folder, got {str(folder)!r}.", "out")
        copied = 0
        with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=_DRAFT) as temporary:
            draft = Path(temporary) / "images"
            for path, source, row in self._walk(progress):
                place = draft / path
                place.parent.mkdir(parents=True, exist_ok=True)
                copied += _put(self.data, source, row, place, way)
            (draft / RECORD).write_bytes(self._record())
            if folder.exists():
                folder.rmdir()
            move(draft, folder)
        linked = len(self.placed) - copied
        how = f"{linked:,} linked, {copied:,} copied" if linked else f"{copied:,} copied"
        return f"{self.text[:-1]}; {how}."

    def zip(self, path: Path, *, progress: Progress | None = None) -> None:
        """Write the same as a zip file, whole or not at all; images are compressed already.

        Raises
        ------
        WannError
            If there is nothing to write.
        """
        self._check()
        with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=_DRAFT) as temporary:
            draft = Path(temporary) / "images.zip"
            with zipfile.ZipFile(
                draft, "w", zipfile.ZIP_STORED, strict_timestamps=False
            ) as archive:
                for name, source, row in self._walk(progress):
                    place = Path(temporary) / "image"
                    if source is None:
                        _put(self.data, None, row, place, "copy")
                    archive.write(source or place, name)
                archive.writestr(RECORD, self._record())
            move(draft, path)

    def _walk(self, progress: Progress | None) -> Iterator[tuple[str, Path | None, ImageRow]]:
        for done, (path, row) in enumerate(self.placed):
            if progress is not None:
                progress(done, len(self.placed), "writing the images")
            yield path, _source(self.data, row), row

    def _check(self) -> None:
        if not self.placed:
            raise WannError("every image was removed or left out; none is left to write.", "format")

    def _check_outside(self, folder: Path) -> None:
        """Raise `WannError` where the folder would be taken for one more class of the source."""
        for source, row in ((_source(self.data, row), row) for _, row in self.placed):
            if source is None or source.parent.name != self.data.class_names[row.given]:
                continue
            root = source.parents[len(PurePosixPath(row.file).parts) - 1]
            if folder.resolve().is_relative_to(root.resolve()):
                raise WannError(
                    f"`out` must lie outside the folder of the images, {str(root)!r}, or its "
                    f"copies would be read as more of them; got {str(folder)!r}.",
                    "out",
                )
            return

    def _record(self) -> bytes:
        """One JSON object a line: where each image comes from, and its labels."""
        names = self.data.class_names
        lines = [
            json.dumps(
                {
                    "file": path,
                    "source": row.file,
                    "split": row.split,
                    "row": row.row,
                    "label": names[row.label],
                    "given_label": names[row.given],
                    "action": row.action,
                }
            )
            for path, row in self.placed
        ]
        return ("\n".join(lines) + "\n").encode()


def class_folders(review: Review) -> ClassFolders:
    """Plan the folder of a review's images: `<class>/<name>`, below split folders if need be.

    There are split folders where the source has them, or knows of splits that are not plain class
    folders. Folders are named by the class, files by their own name; what is not a plain name is
    spelled with '_', and names that meet get the row's number. No path is made of a file's path.

    Raises
    ------
    WannError
        If there are no images, or errors were injected into the labels.
    """
    data = review.data
    refuse_injected(data)
    reason = missing_images(data)
    if reason:
        raise WannError(reason, "format")
    found, lost = [], []
    nbytes = 0
    for row in kept_images(review):
        size = _size(data, row)
        if size is None:
            lost.append(shown(row.file)[:200])
        else:
            found.append(row)
            nbytes += size
    by_split = _splits_matter(review, found)
    folders = _folder_names(data.class_names)
    taken: set[str] = set()
    placed = []
    # Images that stay in their class keep their names; those that come may have to give way.
    for row in sorted(found, key=lambda row: row.label != row.given):
        folder = folders[row.label]
        if by_split:
            top = row.file.partition("/")[0] if by_split == "source" else row.split
            folder = f"{top}/{folder}"
        path = f"{folder}/{_file_name(row)}"
        if path.casefold() in taken:
            stem, dot, suffix = path.rpartition(".")
            # No word such as 'train': Hugging Face reads a split out of it, and then that alone.
            path = f"{stem}-{row.row}{dot}{suffix}"
        while path.casefold() in taken:
            stem, dot, suffix = path.rpartition(".")
            path = f"{stem}_{dot}{suffix}"
        taken.add(path.casefold())
        placed.append((path, row))
    splits = data.splits.values()
    return ClassFolders(
        data,
        tuple(sorted(placed)),
        removed=review.after.counts["remove"],
        moved=sum(row.label != row.given for row in found),
        left_out=tuple(lost),
        unlabeled=sum(int((split.y < 0).sum()) for split in splits),
        nbytes=nbytes,
    )


def _splits_matter(review: Review, rows: list[ImageRow]) -> str:
    """'source' for the folders of the source, 'split' for our own, '' for none."""
    if split_folders(rows):
        return "source"
    names = review.data.class_names
    plain = all(row.file and row.file.partition("/")[0] == names[row.given] for row in rows)
    return "split" if not plain and len({row.split for row in rows}) > 1 else ""


def _folder_names(class_names: tuple[str, ...]) -> list[str]:
    """A folder for each class; no two are the same where case does not count."""
    taken: set[str] = set()
    names = []
    for number, name in enumerate(class_names):
        folder = _plain(name) or f"class {number}"
        if folder.casefold() in taken:
            folder = f"{folder} (class {number})"
        taken.add(folder.casefold())
        names.append(folder)
    return names


def _plain(name: str) -> str:
    """A name that every file system takes: no separators, no control characters, no dots around."""
    spelled = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in name)
    plain = spelled.strip(" .").encode()[:200].decode(errors="ignore")
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", plain)
    return f"_{plain}" if reserved else plain


def _file_name(row: ImageRow) -> str:
    if not row.file:
        return f"{row.row}.png"
    return _plain(PurePosixPath(row.file).name) or f"{row.row}{PurePosixPath(row.file).suffix}"


def _source(data: Dataset, row: ImageRow) -> Path | None:
    images = images_of(data, row.split)
    assert images is not None
    return images.root / row.file if row.file else None


def _size(data: Dataset, row: ImageRow) -> int | None:
    """Bytes of a row's file; 0 for a row of an array, None where it cannot go along."""
    source = _source(data, row)
    if source is None:
        return 0
    if not safe_path(row.file):
        return None
    try:
        return source.stat().st_size if source.is_file() else None
    except OSError:
        return None


def _put(data: Dataset, source: Path | None, row: ImageRow, place: Path, way: str) -> bool:
    """Bring one image to its place; whether it was copied."""
    if source is None:
        image = data.image(row.split, row.place)
        assert isinstance(image, Image.Image)
        image.save(place, "png")
        return True
    if way == "link":
        try:
            os.link(source.resolve(), place)
            return False
        except OSError:
            pass  # another file system, or one without hard links
    shutil.copyfile(source, place)
    return True

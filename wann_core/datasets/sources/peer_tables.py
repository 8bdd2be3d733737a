"""Data sets of images that other programs exported: FiftyOne's three forms, and COCO files."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from wann_core.datasets.sources.image_rows import (
    FOLDERS,
    Image,
    csv_rows,
    json_of,
    label_of,
    text_of,
)
from wann_core.errors import WannError

Found = tuple[list[Image], tuple[str, ...]] | None

_LABELS, _SAMPLES, _CSV = "labels.json", "samples.json", "labels.csv"
_MOST_JSON, _HEAD_BYTES = 20, 1 << 20


def read(root: Path, files: Sequence[str]) -> tuple[list[Image], tuple[str, ...]]:
    """The images of a data set that another program exported, and how it was read.

    Both are empty where the folder is none that is known here.

    Raises
    ------
    WannError
        If it is one without one label an image, as boxes are, or is damaged.
    """
    forms = ((_LABELS, _of_labels), (_SAMPLES, _of_samples), (_CSV, _of_csv))
    for name, reader in forms:
        if (root / name).is_file() and (found := reader(root, files)) is not None:
            break
    else:
        found = _of_coco(root, files)
    if found is None:
        _refuse_boxes(root)
        return [], ()
    if not found[0]:
        raise WannError(f"{str(root)!r}: {'; '.join(found[1])}, which names no image.", "dataset")
    return found


def _of_labels(root: Path, files: Sequence[str]) -> Found:
    """Images of a FiftyOneImageClassificationDataset: labels.json beside a folder data."""
    table = root / _LABELS
    content = json_of(table)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict) or "classes" not in content:
        return None
    classes, images, known = content["classes"], [], dict[str, str]()
    for file in files:
        if file.startswith("data/"):
            inner = file.removeprefix("data/")
            stem = str(PurePosixPath(inner).with_suffix(""))
            if stem in labels and stem in known:
                twice = f"{table!s}: {stem!r} means both {known[stem]!r} and {file!r}."
                raise WannError(twice, "dataset")
            known[stem] = file
            value = labels.get(stem, labels.get(inner))
            images.append(Image(file, "", _class_of_index(table, value, classes)))
    named = {i.removeprefix("data/") for i in known.values()}
    gone = [key for key in labels if key not in known and key not in named]
    remarks = [f"read by FiftyOne's {_LABELS}"]
    if gone:
        remarks.append(f"labels of images that are not there: {len(gone):,} (first {gone[0]!r})")
    return images, tuple(remarks)


def _class_of_index(table: Path, value: Any, classes: Any) -> str:
    if isinstance(classes, list) and isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < len(classes):
            raise WannError(
                f"{table!s}: class {value} is not one of its {len(classes)} classes.", "dataset"
            )
        return str(classes[value])
    return label_of(str(table), "labels", value)


def _of_samples(root: Path, files: Sequence[str]) -> Found:
    """Images of a FiftyOneDataset: samples.json beside metadata.json and a folder data."""
    table = root / _SAMPLES
    content = json_of(table)
    samples = content.get("samples") if isinstance(content, dict) else None
    if not isinstance(samples, list) or not all(isinstance(one, dict) for one in samples):
        if (root / "metadata.json").is_file():
            raise WannError(f"{table!s} is not a list of a FiftyOneDataset's samples.", "dataset")
        return None
    field = classification_field(samples)
    found = _Files(files)
    images = []
    for sample in samples:
        file = found.take(str(sample.get("filepath")))
        value = sample.get(field)
        text = label_of(str(table), field, value.get("label") if isinstance(value, dict) else None)
        if file is not None:
            images.append(Image(file, _split_of(sample.get("tags")), text))
    return images, (f"read by FiftyOne's {_SAMPLES}, field {field!r}", *found.remarks)


def classification_field(samples: Sequence[Mapping[str, Any]]) -> str:
    """The field of a FiftyOneDataset's samples that holds one label each: the ground truth's.

    Raises
    ------
    WannError
        If there is none, or there are several and none of them is 'ground_truth'.
    """
    names = dict.fromkeys(
        name
        for sample in samples
        for name, value in sample.items()
        if isinstance(value, dict) and value.get("_cls") == "Classification"
    )
    if "ground_truth" in names or len(names) == 1:
        return "ground_truth" if "ground_truth" in names else next(iter(names))
    several = f"several: {', '.join(map(repr, list(names)[:5]))}" if names else "none"
    raise WannError(
        f"a FiftyOneDataset needs one Classification field, best called 'ground_truth'; it has "
        f"{several}.",
        "dataset",
    )


def _of_csv(root: Path, files: Sequence[str]) -> Found:
    """Images of a FiftyOne CSVDataset: labels.csv beside a folder data."""
    table = root / _CSV
    columns, rows = csv_rows(table, text_of(table))
    if "filepath" not in columns:
        return None
    likely = [c for c in columns if c == "label" or c.endswith(".label")]
    field = "ground_truth.label" if "ground_truth.label" in likely else "".join(likely[:1])
    if not field or (len(likely) > 1 and field != "ground_truth.label"):
        raise WannError(
            f"{str(root)!r} is a FiftyOne CSVDataset without one column of labels: export it with "
            "fields=['filepath', 'ground_truth.label'].",
            "dataset",
        )
    found = _Files(files)
    images = []
    for i, row in enumerate(rows):
        file = found.take(row["filepath"])
        text = label_of(f"{table!s}, row {i + 1}", field, row[field])
        if file is not None:
            images.append(Image(file, _split_of((row.get("tags") or "").split(",")), text))
    return images, (f"read by FiftyOne's {_CSV}, column {field!r}", *found.remarks)


def _of_coco(root: Path, files: Sequence[str]) -> Found:
    """Images of COCO files whose annotations give each image one class."""
    images: list[Image] = []
    found = _Files(files)
    tables = list(_coco_files(root))
    for table in tables:
        content = json_of(table)
        words = re.findall("[a-z]+", table.relative_to(root).as_posix().lower())
        split = _split_of(words)
        images += _images_of_coco(root, table, content, split, found)
    if not tables:
        return None
    names = ", ".join(repr(table.relative_to(root).as_posix()) for table in tables[:3])
    return images, (f"read by COCO's {names}, one class an image", *found.remarks)


def _coco_files(root: Path) -> Iterator[Path]:
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        for path in sorted(folder.glob("*.json"))[:_MOST_JSON]:
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
            # Large files name their parts in the beginning, small ones are looked through.
            if b'"images"' in head and (b'"annotations"' in head or b'"file_name"' in head):
                yield path


def _images_of_coco(
    root: Path, table: Path, content: Any, split: str, found: "_Files"
) -> Iterator[Image]:
    try:
        names = {one["id"]: str(one["name"]) for one in content.get("categories", ())}
        classes: dict[Any, set[str]] = defaultdict(set)
        for one in content["annotations"]:
            classes[one["image_id"]].add(names[one["category_id"]])
        listed = [(one["id"], str(one["file_name"])) for one in content["images"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise WannError(f"{table!s} is not a complete COCO file: {error!r}.", "dataset") from error
    several = sum(len(found) > 1 for found in classes.values())
    if several or not classes:
        raise WannError(
            f"{str(root)!r} is a data set of COCO with boxes of several classes in {several:,} of "
            f"{len(listed):,} images, which is not read here: one class an image is needed.",
            "dataset",
        )
    place = table.parent.relative_to(root).as_posix()
    for number, name in listed:
        file = found.take(name, "" if place == "." else place)
        if file is not None:
            yield Image(file, split, next(iter(classes.get(number, ())), ""))


class _Files:
    """Files of a folder, found by what another program calls them."""

    def __init__(self, files: Sequence[str]) -> None:
        self.files = set(files)
        self.taken: set[str] = set()
        self.gone: list[str] = []
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for file in files:
            self.by_name[PurePosixPath(file).name].append(file)

    def take(self, name: str, folder: str = "") -> str | None:
        """The file that a name means: below the folder, in data, or the only one that ends so.

        Raises
        ------
        WannError
            If it is named twice, or several files may be meant.
        """
        plain = name.replace("\\", "/")
        near = [(PurePosixPath(top) / plain).as_posix() for top in (folder, "data", "images")]
        file = next((one for one in near if one in self.files), None)
        if file is None:
            alike = [f for f in self.by_name[PurePosixPath(plain).name] if _ends(f, plain)]
            if len(alike) > 1:
                raise WannError(
                    f"{name[:200]!r} may be {alike[0]!r} or {alike[1]!r}; files need names of "
                    "their own.",
                    "dataset",
                )
            file = alike[0] if alike else None
        if file is None:
            self.gone.append(name)
        elif file in self.taken:
            raise WannError(f"{name[:200]!r} is there twice.", "dataset")
        else:
            self.taken.add(file)
        return file

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was named and is not there, as a sentence."""
        if not self.gone:
            return ()
        first = self.gone[0][:200]
        return (f"labels of images that are not there: {len(self.gone):,} (first {first!r})",)


def _ends(file: str, name: str) -> bool:
    """Whether one of two paths is the end of the other."""
    return f"/{file}".endswith(f"/{name.lstrip('/')}") or f"/{name}".endswith(f"/{file}")


def _split_of(words: Any) -> str:
    """The split that one of some words names; '' for none, or for several."""
    found = {FOLDERS.get(str(word).strip().lower(), "") for word in words or ()}
    found -= {"", "unlabelled"}
    return found.pop() if len(found) == 1 else ""


def _refuse_boxes(root: Path) -> None:
    """Refuse by name what another program would read, and class folders would misread."""
    names = {path.name for path in root.iterdir()}
    for name in sorted(names):
        if name.endswith((".yaml", ".yml")) and {"images", "labels"} & names:
            raise _other(root, "a data set of YOLO (boxes)")
    if "obj.names" in names or ("classes.txt" in names and "labels" in names):
        raise _other(root, "a data set of YOLO (boxes)")
    if {"Annotations", "JPEGImages"} <= names:
        raise _other(root, "a data set of Pascal VOC (boxes)")


def _other(root: Path, what: str) -> WannError:
    return WannError(
        f"{str(root)!r} is {what}, which is not read here: one subfolder per class is needed, or a "
        "metadata.csv with file_name and label (FiftyOne exports ImageClassificationDirectoryTree "
        "and FiftyOneImageClassificationDataset).",
        "dataset",
    )

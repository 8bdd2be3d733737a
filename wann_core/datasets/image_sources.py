"""Where the images of a data set come from: one way in for every source."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wann_core.datasets import catalog
from wann_core.datasets.images import ImageDataset
from wann_core.datasets.sources import (
    animal10n,
    digits,
    human_labels,
    image_folder,
    medmnist,
    vision,
)
from wann_core.datasets.sources.medmnist_facts import MEDMNIST
from wann_core.errors import WannError, check_choice
from wann_core.progress import Progress

# Sources whose images are files that an embedding database names row by row.
FILES = ("imagefolder", "animal-10n", "files")


def open_images(
    dataset: str,
    dataset_root: str | Path,
    *,
    size: int | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> ImageDataset:
    """The images of a known data set, or of a folder of that name below `dataset_root`.

    Parameters
    ----------
    dataset : str
        A name of the catalog, or of a folder of images.
    dataset_root : path
        torchvision's data sets lie in `<dataset_root>/<dataset>`, MedMNIST's files in
        `dataset_root` itself.
    size : int, optional
        Of MedMNIST's images: 28, 64, 128 or 224 (the default).
    download : bool
        Whether to fetch what is not there and can be fetched.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Raises
    ------
    WannError
        If the images are not there, damaged, or cannot be fetched.
    """
    root = Path(dataset_root)
    if size is not None and dataset.partition("_")[0] in MEDMNIST:
        check_choice("size", size, catalog.MEDMNIST_SIZES)
        flag = dataset.partition("_")[0]
        dataset = flag if size == 224 else f"{flag}_{size}"
    elif size is not None:
        raise WannError(f"`size` is for MedMNIST only, not for {dataset!r}.", "size")
    base = human_labels.base(dataset)
    if base:
        raise WannError(
            f"{dataset!r} uses the embeddings of {base!r}: embed that one; its labels are read "
            f"from {human_labels.path(dataset, root)!s}.",
            "dataset",
        )
    entry = catalog.ENTRIES.get(dataset)
    if entry is None:
        place = root / _folder_name(dataset)
        if not place.exists():
            raise WannError(
                f"the folder {str(place)!r} does not exist: the name of the data set is appended "
                f"to --dataset_root, which must be the folder above that of the images, got "
                f"{str(dataset_root)!r}.",
                "dataset",
            )
        return image_folder.open_images(place, dataset)
    if entry.source == "digits":
        return digits.open_images()
    if entry.source == "animal-10n":
        return animal10n.open_images(root / dataset)
    if entry.source == "medmnist":
        return medmnist.open_images(dataset, root, fetch=download, progress=progress)
    return vision.open_images(dataset, root / dataset, fetch=download, progress=progress)


def find(
    dataset: str, origin: Mapping[str, Any] | None, dataset_root: str | Path
) -> ImageDataset | None:
    """The images of a known source that keeps them in arrays; None where they are not.

    Parameters
    ----------
    dataset : str
    origin : mapping or None
        The manifest's entries on its images.
    dataset_root : path
        Where to look if they are not at the manifest's path, or it has none.

    Raises
    ------
    WannError
        If they are damaged, or no longer at the manifest's path.
    """
    entry = catalog.ENTRIES.get(dataset)
    if entry is None or entry.source not in ("digits", "torchvision", "medmnist"):
        return None
    if entry.source == "digits":
        whole = origin is not None and origin.get("rows") == "all"
        return digits.all_images() if whole else digits.open_images()
    recorded = origin.get("root") if origin else None
    roots = [Path(dataset_root)]
    if recorded and isinstance(recorded, str):
        roots.insert(0, Path(recorded) if entry.source == "medmnist" else Path(recorded).parent)
    for root in roots:
        if present(dataset, root):
            return open_images(dataset, root, download=False)
    if recorded:
        raise WannError(f"the images of {dataset!r} are no longer in {str(recorded)!r}.")
    return None


def present(dataset: str, dataset_root: str | Path) -> bool:
    """Whether the raw data of a known data set lie below `dataset_root`."""
    root = Path(dataset_root)
    entry = catalog.lookup(dataset)
    if entry.source == "digits":
        return True
    if entry.source == "torchvision":
        return vision.present(dataset, root / dataset)
    if entry.source == "medmnist":
        return medmnist.file(dataset, root).is_file()
    if entry.source == "animal-10n":
        return (root / dataset / "training").is_dir()
    return human_labels.path(dataset, root).is_file()


def _folder_name(dataset: str) -> str:
    path = Path(dataset)
    if not dataset or path.is_absolute() or ".." in path.parts:
        raise WannError(f"`dataset` must be the name of a folder, got {dataset!r}.", "dataset")
    return dataset

"""What to say of data that are not there: what is there instead, and how to get them."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from wann_core.datasets import catalog, database
from wann_core.datasets.sources import human_labels
from wann_core.errors import WannError
from wann_core.paths import DATABASE_ROOT, DATASET_ROOT

# Of names in one sentence.
_LISTED = 8


def way(dataset: str, backbone: str, database_root: str | Path, dataset_root: str | Path) -> str:
    """One sentence on what is missing of a data set under a backbone, and how to get it."""
    why, how = _way(dataset, backbone, database_root, dataset_root)
    return f"{dataset} / {backbone} {why}: {how}."


def refusal(
    dataset: str, backbone: str, database_root: str | Path, dataset_root: str | Path
) -> WannError:
    """What to raise where the embeddings of a data set are not there."""
    base = human_labels.base(dataset) or dataset
    file = database.folder(database_root, base, backbone) / "train.npz"
    _, how = _way(dataset, backbone, database_root, dataset_root)
    return WannError(
        f"no embedding database of data set {base!r} under backbone {backbone!r}: {file!s} does "
        f"not exist; {_instead(base, database_root)}. To make it: {how}.",
        "dataset",
    )


def _way(
    dataset: str, backbone: str, database_root: str | Path, dataset_root: str | Path
) -> tuple[str, str]:
    """What is missing, and how to get it."""
    base = human_labels.base(dataset)
    entry = catalog.ENTRIES.get(dataset)
    embed = "python -m wann_core embed " + shlex.join(
        ["--dataset", base or dataset, "--backbone", backbone]
    )
    if Path(dataset_root) != Path(DATASET_ROOT):
        embed += f" --dataset_root {shlex.quote(str(dataset_root))}"
    if Path(database_root) != Path(DATABASE_ROOT):
        embed += f" --database_root {shlex.quote(str(database_root))}"
    if entry is None:
        images = str(Path(dataset_root) / dataset)
        return "is no embedding database here", (
            f"{embed}, with images in {images!r}; or import a table on the Data page"
        )
    if base:
        file = human_labels.path(dataset, dataset_root)
        label = "" if file.is_file() else f", and {file.name} from {entry.home} in {file.parent}"
        return f"needs the embeddings of {base}", f"{embed}{label}"
    if entry.source == "digits":
        return f"is not here ({dataset} is built in with backbone pixels)", embed
    if entry.downloads:
        return "is not embedded here", f"{embed} (it downloads the images)"
    return "is not embedded here", f"{entry.way} ({entry.home}) Then {embed}"


def _instead(dataset: str, database_root: str | Path) -> str:
    """A clause on what a root holds: the data set under other backbones, or other data sets."""
    if not Path(database_root).is_dir():
        return f"the folder {str(database_root)!r} does not exist"
    pairs = database.available(database_root)
    backbones = [other for name, other in pairs if name == dataset]
    if backbones:
        return f"{dataset!r} is there under --backbone {_listed(backbones)}"
    names = list(dict.fromkeys(name for name, _ in pairs))
    return f"{str(database_root)!r} holds {_listed(names) or 'none'}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more

"""Messages for data that are missing: what is there instead, and how to get them."""

import shlex
from collections.abc import Sequence

from wann_core.datasets import catalog, database
from wann_core.datasets.sources import human_labels
from wann_core.errors import WannError
from wann_core.paths import DEFAULT_ROOTS, Roots

# Of names in one sentence.
_LISTED = 8


def way(dataset: str, backbone: str, roots: Roots) -> str:
    """One sentence on what is missing of a data set under a backbone, and how to get it."""
    why, how = _way(dataset, backbone, roots)
    return f"{dataset} / {backbone} {why}: {how}."


def refusal(dataset: str, backbone: str, roots: Roots) -> WannError:
    """What to raise where the embeddings of a data set are not there."""
    base = human_labels.base(dataset) or dataset
    file = database.folder(roots.databases, base, backbone) / "train.npz"
    _, how = _way(dataset, backbone, roots)
    return WannError(
        f"no embedding database of data set {base!r} under backbone {backbone!r}: {file!s} does "
        f"not exist; {_instead(base, roots)}. To make it: {how}.",
        "dataset",
    )


def _way(dataset: str, backbone: str, roots: Roots) -> tuple[str, str]:
    """What is missing, and how to get it."""
    base = human_labels.base(dataset)
    entry = catalog.ENTRIES.get(dataset)
    embed = "python -m wann_core embed " + shlex.join(
        ["--dataset", base or dataset, "--backbone", backbone]
    )
    if roots.data != DEFAULT_ROOTS.data:
        embed += f" --dataset_root {shlex.quote(str(roots.data))}"
    if roots.databases != DEFAULT_ROOTS.databases:
        embed += f" --database_root {shlex.quote(str(roots.databases))}"
    if entry is None:
        images = str(roots.data / dataset)
        return "is not an embedding database here", (
            f"{embed}, with images in {images!r}; or import a table on the Data page"
        )
    if base:
        file = human_labels.path(dataset, roots.data)
        label = "" if file.is_file() else f", and {file.name} from {entry.home} in {file.parent}"
        return f"needs the embeddings of {base}", f"{embed}{label}"
    if entry.source == "digits":
        return f"is not here ({dataset} is built in with backbone pixels)", embed
    if entry.downloads:
        return "is not embedded here", f"{embed} (it downloads the images)"
    return "is not embedded here", f"{entry.way} ({entry.home}) Then {embed}"


def _instead(dataset: str, roots: Roots) -> str:
    """A clause on what a root holds: the data set under other backbones, or other data sets."""
    if not roots.databases.is_dir():
        return f"the folder {str(roots.databases)!r} does not exist"
    pairs = database.available(roots.databases)
    backbones = [other for name, other in pairs if name == dataset]
    if backbones:
        return f"{dataset!r} is there under --backbone {_listed(backbones)}"
    names = list(dict.fromkeys(name for name, _ in pairs))
    return f"{str(roots.databases)!r} holds {_listed(names) or 'none'}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more

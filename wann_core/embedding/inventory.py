"""Inventory of this machine: embedding databases, finished or not, and cache sizes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from wann_core.datasets import catalog, database
from wann_core.datasets.sources import arrays
from wann_core.embedding import partial
from wann_core.errors import WannError, check_choice
from wann_core.paths import cache_folder
from wann_core.storage import npz


@dataclass(frozen=True)
class Stored:
    """One embedding database on disk.

    Attributes
    ----------
    dataset, backbone : str
    state : {'ready', 'unfinished', 'being written', 'damaged'}
    rows : mapping of str to int
        Rows of each split; of an unfinished one, what is embedded so far.
    columns : int
        Dimensions; 0 where they cannot be read.
    classes : int
        From the manifest or the catalog; 0 where neither has it.
    nbytes : int
    changed : datetime
        In UTC.
    remark : str
        What is wrong with a damaged one.
    source : str
        Folder of the images that it was made of; '' where its manifest has none.
    """

    dataset: str
    backbone: str
    state: str
    nbytes: int
    changed: datetime
    rows: Mapping[str, int] = field(default_factory=dict)
    columns: int = 0
    classes: int = 0
    remark: str = ""
    source: str = ""


def databases(root: str | Path) -> list[Stored]:
    """Every embedding database below a root, read no further than the headers of its files."""
    root = Path(root)
    if not root.is_dir():
        return []
    pairs = [("ready", *pair) for pair in database.available(root)]
    pairs += [("unfinished", *pair) for pair in _unfinished(root)]
    return sorted(
        (_stored(root, *pair) for pair in pairs), key=lambda s: (s.dataset, s.backbone, s.state)
    )


def database_of(root: str | Path, dataset: str, backbone: str) -> Stored | None:
    """The database of one data set and backbone, finished or not; None where there is none.

    Raises
    ------
    WannError
        If a name would lead out of the root.
    """
    place = database.folder(root, dataset, backbone)
    if (place / "train.npz").is_file():
        return _stored(Path(root), "ready", dataset, backbone)
    if (partial.partial_folder(place) / "plan.json").is_file():
        return _stored(Path(root), "unfinished", dataset, backbone)
    return None


def _unfinished(root: Path) -> Iterator[tuple[str, str]]:
    for pattern in ("*/.*.partial/plan.json", "*/*/.*.partial/plan.json"):
        for plan in root.glob(pattern):
            place = plan.parent.parent.relative_to(root)
            yield place.as_posix(), plan.parent.name[1 : -len(".partial")]


def _stored(root: Path, state: str, dataset: str, backbone: str) -> Stored:
    place = root / dataset / backbone
    folder = place if state == "ready" else partial.partial_folder(place)
    files = [path for path in folder.rglob("*") if path.is_file()]
    about = (
        sum(path.stat().st_size for path in files),
        datetime.fromtimestamp(max((p.stat().st_mtime for p in files), default=0.0), UTC),
    )
    try:
        if state == "ready":
            shapes = {name: _shape(place / f"{name}.npz") for name in database.splits_of(place)}
            rows = {name: shape[0] for name, shape in shapes.items()}
            made = database.manifest(place)
            known = catalog.ENTRIES.get(dataset)
            # Labels are not read here: only what has all rows of a known data set is taken for it.
            whole = known is not None and not made and rows == known.rows
            names = known.class_names if known and whole else made.get("class_names", ())
            images = made.get("images")
            source = str(images.get("root") or "") if isinstance(images, dict) else ""
            columns = shapes["train"][1]
            return Stored(
                dataset, backbone, state, *about, rows, columns, len(names), source=source
            )
        if partial.is_locked(place):
            state = "being written"
        return Stored(dataset, backbone, state, *about, partial.progress(place))
    except (OSError, WannError) as error:
        return Stored(dataset, backbone, "damaged", *about, remark=str(error))


def _shape(path: Path) -> tuple[int, int]:
    """Shape of the embeddings in a file, from its header alone."""
    with npz.Npz(path) as arrays:
        shape = arrays.header("embeddings").shape
    if len(shape) != 2:
        raise WannError(f"{path.name}: `embeddings` must be of shape (n, d), got {shape}.")
    return shape[0], shape[1]


def caches() -> dict[str, int]:
    """Bytes of each part of the cache folder that can be made again: graphs, fits, images."""
    return {path.name: _size(path) for path in _parts()}


def clear(cache: str) -> None:
    """Empty one part of the cache folder, as named by `caches`; locks in use stay valid.

    Raises
    ------
    WannError
        If there is no such part.
    """
    found = {path.name: path for path in _parts()}
    check_choice("cache", cache, found)
    for path in sorted(found[cache].rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif path.suffix != ".lock":
            path.unlink(missing_ok=True)


def _parts() -> tuple[Path, ...]:
    return cache_folder() / "graphs", cache_folder() / "fits", arrays.folder()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

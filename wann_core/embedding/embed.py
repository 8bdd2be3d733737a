"""Images into an embedding database by a frozen backbone: bounded in memory, and resumable.

The rows of a split are embedded in batches whose bounds depend on the batch size alone, and an
image that cannot be read leaves a black one in its place. So what a row becomes depends neither on
the moment of an interruption nor on bad neighbors: a resumed run ends bit-equal to an
uninterrupted one.
"""

import hashlib
import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from wann_core.datasets import BUILT_IN, database
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding import partial, pipeline
from wann_core.embedding.backbones import Backbone, lanes_of, no_bfloat16
from wann_core.embedding.partial import Skipped
from wann_core.embedding.timm_models import TimmBackbone
from wann_core.errors import WannError, check_choice, check_number
from wann_core.progress import Progress

ON_ERROR = ("skip", "fail")
BATCH_SIZE = 32
DTYPES = ("float32", "float16")
_ESTIMATE_SECONDS = 3.0  # of measuring
_ESTIMATE_IMAGES = 256
_ESTIMATE_FIRST = 4  # images a batch of the first look
_ESTIMATE_MOST_SECONDS = 30.0
# The speedup over float32 from which bfloat16 is chosen.
_WORTHWHILE = 1.2


@dataclass(frozen=True)
class Embedded:
    """Result of `embed`.

    Attributes
    ----------
    folder : Path
    rows : mapping of str to int
        Rows of each split.
    columns : int
        Dimensions of an embedding.
    skipped : tuple of Skipped
        Images that could not be read.
    """

    folder: Path
    rows: Mapping[str, int]
    columns: int
    skipped: tuple[Skipped, ...]


def embed(
    images: ImageDataset,
    backbone: Backbone,
    database_root: str | Path,
    *,
    batch_size: int = BATCH_SIZE,
    num_workers: int | None = None,
    dtype: str = "float32",
    on_error: str = "skip",
    resume: bool = True,
    progress: Progress | None = None,
) -> Embedded:
    """Embed every image of a source and write the database `<root>/<dataset>/<backbone>`.

    Parameters
    ----------
    images : ImageDataset
    backbone : Backbone
        From `wann_core.embedding.backbones.load_backbone`.
    database_root : path
    batch_size : int
        Images that the backbone sees at once.
    num_workers : int, optional
        Threads that decode images; one a processor core if None.
    dtype : str
        'float32' or 'float16', in which embeddings are stored.
    on_error : str
        What an image that cannot be read does: 'skip' leaves it out and records it; 'fail' stops,
        but keeps what is embedded for the next attempt.
    resume : bool
        Go on where an earlier attempt stopped; if False its work is discarded.
    progress : callable, optional
        `progress(done, total, text)`, called after each batch; may raise to stop. What is done
        then is kept.

    Raises
    ------
    WannError
        If there is such a database already, somebody is writing it, an unfinished attempt does
        not fit, an image cannot be read under 'fail', or no image of a split can be.
    """
    check_number("batch_size", batch_size, 1, whole=True)
    check_choice("dtype", dtype, DTYPES)
    check_choice("on_error", on_error, ON_ERROR)
    backbone = backbone.suited_to(images)
    place = database.folder(database_root, images.name, backbone.name)
    splits = {name: split for name, split in images.splits.items() if len(split)}
    if "train" not in splits:
        raise WannError(f"data set {images.name!r} has no training images.", "dataset")
    refuse_finished(database_root, images.name, backbone.name)
    if not resume:
        partial.discard(place)
    backbone = settled(
        images,
        backbone,
        database_root,
        batch_size=batch_size,
        num_workers=num_workers,
        progress=progress,
    )
    plan = _plan(images, backbone, batch_size, dtype)
    with partial.locked(place) as folder:
        if place.exists():
            # Another writer has finished between the look above and the lock.
            shutil.rmtree(folder)
            raise _exists(place)
        partial.begin(folder, plan)
        work = pipeline.Work(folder, backbone, batch_size, np.dtype(dtype), on_error == "fail")
        with pipeline.decoders(num_workers) as pool:
            rows, columns, skipped = work.run(splits, pool, progress)
        record = {
            "format": 1,
            "dataset": images.name,
            "backbone": backbone.name,
            "class_names": list(images.class_names),
            "images": dict(images.origin),
            **backbone.record,
            **_precision(backbone),
            "batch_size": batch_size,
            "dtype": dtype,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "rows": rows,
            "skipped": [asdict(image) for image in skipped],
        }
        partial.finish(folder, place, splits, record)
    return Embedded(place, rows, columns, tuple(skipped))


def estimate(
    images: ImageDataset,
    backbone: Backbone,
    *,
    batch_size: int = BATCH_SIZE,
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> float:
    """Measure images per second on a few training images.

    This takes some seconds, and at most half a minute. `progress` is called some times a second and
    may raise to stop.

    Returns
    -------
    float
        ``len(images) / estimate(…)`` is the time in seconds that `embed` will take in one go.

    Raises
    ------
    WannError
        If there is no training image, or too few of them are embedded within the half minute.
    """
    backbone = backbone.suited_to(images)
    train = images.splits["train"]
    if not len(train):
        raise WannError(f"data set {images.name!r} has no training images.", "dataset")
    picked = np.linspace(0, len(train) - 1, min(len(train), _ESTIMATE_IMAGES)).astype(int)
    began = time.monotonic()

    def tick() -> None:
        if progress is not None:
            progress(0, 1, "embedding a few images")
        if time.monotonic() - began > _ESTIMATE_MOST_SECONDS:
            raise WannError(
                f"too few images are embedded in {_ESTIMATE_MOST_SECONDS:.0f} seconds to estimate "
                "how long all will take; choose a smaller backbone or image size.",
                "backbone",
            )

    with pipeline.decoders(num_workers) as pool:

        def rate(images: int, size: int) -> float:
            """Throughput, images per second, for this many images at this batch size."""
            rows = np.resize(picked, images)  # of few images some come more than once
            batches = [rows[i : i + size] for i in range(0, images, size)]
            started = time.perf_counter()
            with closing(pipeline.embedded(train, batches, backbone, pool, tick)) as made:
                for _batch in made:
                    pass
            return images / (time.perf_counter() - started)

        rate(1, 1)  # the model warms up
        small = min(batch_size, _ESTIMATE_FIRST)
        found = rate(small * lanes_of(backbone), small)
        # As many whole batches as the time is worth, if one for each lane is not too many.
        affordable = int(found * _ESTIMATE_SECONDS) // batch_size
        if affordable >= lanes_of(backbone):
            found = rate(batch_size * min(affordable, 8 * lanes_of(backbone)), batch_size)
    return found


def _precision(backbone: Backbone) -> dict[str, Any]:
    """The manifest's entries beyond the plan, and the speeds by which it was chosen."""
    plain = {} if backbone.record.get("autocast") else {"precision": "float32"}
    rates = getattr(backbone, "rates", None)
    return plain if rates is None else {**plain, "precision_images_per_second": rates}


def settled(
    images: ImageDataset,
    backbone: Backbone,
    database_root: str | Path,
    *,
    batch_size: int = BATCH_SIZE,
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> Backbone:
    """The backbone in the precision that its `precision` 'auto' stands for; any other as it is.

    That of an unfinished attempt, so that it can go on. Else 'bfloat16' where a few batches show it
    to be faster by a fifth or more; nothing is measured where there are no instructions for it.

    Raises
    ------
    WannError
        As `estimate` does.
    """
    if not isinstance(backbone, TimmBackbone) or backbone.precision != "auto":
        return backbone
    plan = partial.plan_of(database.folder(database_root, images.name, backbone.name))
    if plan is not None:
        return backbone.in_precision(plan.get("precision", "float32"))
    if no_bfloat16(backbone.name, str(backbone.record["device"])) is not None:
        return backbone.in_precision("float32")
    work: dict[str, Any] = {"batch_size": batch_size, "num_workers": num_workers}
    rates = {
        name: round(estimate(images, backbone.in_precision(name), progress=progress, **work), 1)
        for name in ("float32", "bfloat16")
    }
    faster = rates["bfloat16"] >= _WORTHWHILE * rates["float32"]
    found = backbone.in_precision("bfloat16" if faster else "float32")
    found.rates = rates
    return found


def discard(database_root: str | Path, dataset: str, backbone: str) -> None:
    """Delete an unfinished attempt, if there is one.

    Raises
    ------
    WannError
        If somebody is writing it right now, or a name would lead out of the root.
    """
    partial.discard(database.folder(database_root, dataset, backbone))


def refuse_finished(database_root: str | Path, dataset: str, backbone: str) -> None:
    """Raise `WannError` if there is such a database already, before anything long is done."""
    if (dataset, backbone) == BUILT_IN:
        raise WannError("'digits' under 'pixels' is built in and needs no embedding.", "dataset")
    place = database.folder(database_root, dataset, backbone)
    partial.sweep(place)
    if place.exists():
        raise _exists(place)


def _exists(place: Path) -> WannError:
    return WannError(
        f"there is an embedding database in {str(place)!r} already; delete it first or choose "
        "another folder.",
        "database_root",
    )


def _plan(images: ImageDataset, backbone: Backbone, batch_size: int, dtype: str) -> dict[str, Any]:
    """Everything that decides on the result; equal plans may share shards."""
    return {
        "format": 1,
        "dataset": images.name,
        "backbone": backbone.name,
        **backbone.record,
        "batch_size": batch_size,
        "dtype": dtype,
        "source": {name: _fingerprint(split) for name, split in images.splits.items()},
    }


def _fingerprint(split: ImageSplit) -> str:
    """Digest of the list of files, or the array's shape and some of its rows, and the labels."""
    digest = hashlib.sha256(np.ascontiguousarray(split.labels, np.int64).data)
    if split.files is not None:
        for name in split.files:
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
    else:
        assert split.pixels is not None
        digest.update(f"{split.pixels.shape} {split.pixels.dtype}".encode())
        for row in np.linspace(0, len(split) - 1, 64).astype(int) if len(split) else ():
            digest.update(np.ascontiguousarray(split.pixels[row]).data)
    return digest.hexdigest()

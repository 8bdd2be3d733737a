"""Decode in threads, embed batch by batch, store in shards."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wann_core.datasets.decoding import decoded
from wann_core.datasets.images import ImageSplit
from wann_core.embedding import lanes
from wann_core.embedding import partial as shards
from wann_core.embedding.backbones import Backbone, lanes_of
from wann_core.embedding.partial import Shard, Skipped
from wann_core.errors import WannError, check_number
from wann_core.progress import Progress
from wann_core.typing import Array

# What is embedded goes to disk after this many rows or seconds, whichever comes first.
SHARD_ROWS = 4096
SHARD_SECONDS = 30.0
# Batches that are decoded ahead of the one that is being embedded.
_AHEAD = 2
_MAX_WORKERS = 256


class Batch(NamedTuple):
    """Consecutive rows after the backbone.

    Attributes
    ----------
    stop : int
        The row after the last one.
    rows : ndarray of shape (n,), int64
        Those that could be read.
    embeddings : ndarray of shape (n, d), float32
    unreadable : mapping of int to str
        The other rows, and why they could not be read.
    """

    stop: int
    rows: Array
    embeddings: Array
    unreadable: Mapping[int, str]


@contextmanager
def decoders(num_workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """Threads that decode, one a processor core if None is said.

    Never processes: forking a dashboard's server, with its threads and locks, would not be safe.
    """
    workers = os.cpu_count() or 1 if num_workers is None else num_workers
    check_number("num_workers", workers, 1, _MAX_WORKERS, whole=True)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="wann-decode")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def embedded(
    split: ImageSplit,
    batches: Iterable[Array],
    backbone: Backbone,
    pool: ThreadPoolExecutor,
    tick: Callable[[], None] | None = None,
) -> Generator[Batch, None, None]:
    """Embed batches of rows in order; meanwhile the next ones, a bounded number, are decoded.

    `tick` is called some times a second while a batch is under way. It may raise: what is under way
    is then given up. Close the generator where it is left early.
    """

    def prepared(row: int) -> Array:
        with decoded(split, row, backbone.mode) as image:
            return backbone.prepare(image)

    waiting: deque[Future[Batch]] = deque()
    todo = iter(batches)
    width = lanes_of(backbone)
    with lanes.opened(width) as side_by_side:
        while True:
            while len(waiting) < width + _AHEAD and (rows := next(todo, None)) is not None:
                images = [pool.submit(prepared, int(row)) for row in rows]
                waiting.append(side_by_side.submit(_embed, rows, images, backbone))
            if not waiting:
                return
            yield lanes.result(waiting.popleft(), tick)


def _embed(rows: Array, futures: list[Future[Array]], backbone: Backbone) -> Batch:
    images: list[Array | None] = []
    unreadable: dict[int, str] = {}
    for row, future in zip(rows, futures, strict=True):
        try:
            images.append(future.result())
        except WannError as error:
            images.append(None)
            unreadable[int(row)] = str(error)
    stop = int(rows[-1]) + 1
    shape = next((image.shape for image in images if image is not None), None)
    if shape is None:
        return Batch(stop, rows[:0], np.empty((0, 0), np.float32), unreadable)
    # Black where there is no image: the others' batch, and so their last digits, stay the same.
    black = np.zeros(shape, np.uint8)
    embeddings = backbone.embed(np.stack([black if i is None else i for i in images]))
    good = np.array([image is not None for image in images])
    return Batch(stop, rows[good], embeddings[good], unreadable)


@dataclass(frozen=True)
class Work:
    """Embeds what the shards in a folder do not hold yet."""

    folder: Path
    backbone: Backbone
    batch_size: int
    dtype: np.dtype[Any]
    fail: bool

    def run(
        self, splits: Mapping[str, ImageSplit], pool: ThreadPoolExecutor, progress: Progress | None
    ) -> tuple[dict[str, int], int, list[Skipped]]:
        """Until all is in shards; returns rows a split, columns, and what could not be read."""
        total = sum(map(len, splits.values()))
        rows: dict[str, int] = {}
        skipped: list[Skipped] = []
        columns = 0
        finished, report = 0, _Reporter(total, progress)
        for name, split in splits.items():
            start = 0
            for shard in shards.stored(self.folder, name):
                self._refuse_left_out(split, shard.skipped)
                start = shard.stop
            report_part = partial(report, name, finished)
            self._embed_from(start, name, split, pool, report_part, report.again)
            finished += len(split)
            rows[name] = 0
            for shard in shards.stored(self.folder, name):
                rows[name] += len(shard.rows)
                columns = max(columns, shard.embeddings.shape[1])
                skipped.extend(shard.skipped)
            if not rows[name]:
                # So that another attempt looks at the images again.
                shards.forget(self.folder, name)
                raise WannError(
                    f"none of the {len(split)} images of split {name!r} can be read; the first is "
                    f"{_named(split, skipped[-len(split)])}.",
                    "dataset",
                )
        return rows, columns, skipped

    def _embed_from(
        self,
        start: int,
        name: str,
        split: ImageSplit,
        pool: ThreadPoolExecutor,
        report: Callable[[int, int], None],
        tick: Callable[[], None],
    ) -> None:
        report(start, 0)
        bounds = range(start, len(split), self.batch_size)
        todo = (np.arange(i, min(i + self.batch_size, len(split))) for i in bounds)
        pending = _Pending(self.folder, name, start)
        made = embedded(split, todo, self.backbone, pool, tick)
        try:
            for batch in made:
                found = [Skipped(name, r, split.where(r), t) for r, t in batch.unreadable.items()]
                if self.fail and found:
                    raise WannError(
                        f"an image cannot be read: {_named(split, found[0])}; fix or remove it, or "
                        "leave such images out with --on_error skip (what is embedded is kept).",
                        "on_error",
                    )
                pending.add(batch.stop, batch.rows, self._stored(batch.embeddings), found)
                report(batch.stop, len(batch.rows))
        finally:
            made.close()
            # Also when it is stopped: what is done is kept.
            pending.write()

    def _refuse_left_out(self, split: ImageSplit, skipped: Sequence[Skipped]) -> None:
        if self.fail and skipped:
            raise WannError(
                f"an earlier attempt has left out {_named(split, skipped[0])}; go on with "
                "--on_error skip, or start again with --no-resume.",
                "on_error",
            )

    def _stored(self, embeddings: Array) -> Array:
        with np.errstate(over="ignore"):
            cast = embeddings.astype(self.dtype, copy=False)
        if not np.isfinite(cast).all():
            raise WannError(
                f"the backbone gives values that {self.dtype} cannot hold, or none at all.", "dtype"
            )
        return cast


def _named(split: ImageSplit, image: Skipped) -> str:
    name = image.file if split.files is None else str(split.root / image.file)
    return f"{name} ({image.reason})"


class _Pending:
    """Batches of a split that are not on disk yet."""

    def __init__(self, folder: Path, split: str, start: int) -> None:
        self._folder, self._split, self._start = folder, split, start
        self._batches: list[Shard] = []
        self._since = time.monotonic()

    def add(self, stop: int, rows: Array, embeddings: Array, skipped: list[Skipped]) -> None:
        self._batches.append(Shard(stop, embeddings, rows, tuple(skipped)))
        waiting = sum(len(batch.rows) for batch in self._batches)
        if waiting >= SHARD_ROWS or time.monotonic() - self._since >= SHARD_SECONDS:
            self.write()

    def write(self) -> None:
        if not self._batches:
            return
        filled = [batch.embeddings for batch in self._batches if len(batch.rows)]
        shard = Shard(
            self._batches[-1].stop,
            np.concatenate(filled) if filled else self._batches[0].embeddings,
            np.concatenate([batch.rows for batch in self._batches]),
            tuple(image for batch in self._batches for image in batch.skipped),
        )
        shards.write(self._folder, self._split, self._start, shard)
        self._start, self._batches, self._since = shard.stop, [], time.monotonic()


class _Reporter:
    """Reports images done, and how many a second, to a progress callback."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress = total, progress
        self._started = time.monotonic()
        self._embedded = 0
        self._last: tuple[float, float, str] = (0, total, "embedding")

    def again(self) -> None:
        """Report the same once more, so that whoever asks to stop is heard within a batch."""
        if self._progress:
            self._progress(*self._last)

    def __call__(self, split: str, before: int, row: int, more: int) -> None:
        """A split, after `before` images of others, is done up to `row`: by `more` images."""
        self._embedded += more
        if self._progress:
            rate = self._embedded / max(time.monotonic() - self._started, 1e-9)
            speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
            self._last = (before + row, self._total, f"embedding {split}, {speed} images/s")
            self._progress(*self._last)

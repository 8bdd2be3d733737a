"""Batches side by side: in order, heard by whoever waits, and stopped with them."""

import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.pictures import Entangled, arrays
from wann_core.embedding import lanes, pipeline
from wann_core.embedding.embed import embed, estimate
from wann_core.errors import WannError


class Stop(Exception):
    """Raised by a progress callback."""


class Uneven(Entangled):
    """Its first batches take longest."""

    @property
    def lanes(self) -> int:
        return 4

    def embed(self, batch: np.ndarray) -> np.ndarray:
        time.sleep(0.2 if self.embedded == 0 else 0.0)
        return super().embed(batch)


class Stuck(Entangled):
    """A batch that does not end, as that of a large model on a busy machine."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.left = threading.Event(), threading.Event()

    def embed(self, batch: np.ndarray) -> np.ndarray:
        self.inside.set()
        try:
            while True:
                lanes.check()
                time.sleep(0.01)
        finally:
            self.left.set()


def test_batches_come_in_order() -> None:
    split = arrays(60).splits["train"]
    batches = [np.arange(i, i + 4) for i in range(0, 60, 4)]
    with (
        pipeline.decoders(2) as pool,
        closing(pipeline.embedded(split, batches, Uneven(), pool)) as made,
    ):
        assert [batch.stop for batch in made] == list(range(4, 61, 4))


def test_stopping_is_heard_within_a_batch_and_ends_it(tmp_path: Path) -> None:
    backbone = Stuck()

    def progress(done: float, total: float, text: str) -> None:
        if backbone.inside.is_set():
            raise Stop

    began = time.monotonic()
    with pytest.raises(Stop):
        embed(arrays(40), backbone, tmp_path, progress=progress)
    assert time.monotonic() - began < 2
    assert backbone.left.wait(2)  # the batch itself does not go on, either
    # What was given up is no hindrance to the next attempt.
    embed(arrays(40), Entangled(), tmp_path)


def test_estimate_has_a_bound_and_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wann_core.embedding.embed._ESTIMATE_MOST_SECONDS", 0.5)
    with pytest.raises(WannError, match="too few images are embedded") as refused:
        estimate(arrays(40), Stuck())
    assert refused.value.field == "backbone"

    def progress(done: float, total: float, text: str) -> None:
        raise Stop

    with pytest.raises(Stop):
        estimate(arrays(40), Stuck(), progress=progress)


def test_estimate_is_within_a_factor_of_two() -> None:
    backbone = Entangled(seconds=0.05)  # a batch
    rate = estimate(arrays(100), backbone, batch_size=10)
    assert 100 < rate < 400

"""Inputs of a format, one after the other, and what came of each."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.form import outcome
from tests.fuzz.formats import FORMATS
from tests.fuzz.mutate import mutated


def fuzz(name: str, inputs: int, seed: int, folder: Path) -> Iterator[tuple[str, float, int]]:
    """The outcome, the seconds and the number of each input; a number is the same every time."""
    form = FORMATS[name]
    corpus = form.corpus()
    for content in corpus:
        whole = outcome(form, content, folder / name)
        assert whole in ("loaded", "refused"), whole
    for number in range(max(1, inputs // form.cost)):
        rng = random.Random(f"{seed} {name} {number}")
        content = mutated(rng.choice(corpus), rng.choice(corpus), rng)
        started = time.perf_counter()
        found = outcome(form, content, folder / name)
        yield found, time.perf_counter() - started, number

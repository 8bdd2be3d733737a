"""Whatever the bytes of a file are, it is loaded or refused by one sentence."""

from pathlib import Path

import pytest

from tests.fuzz.formats import FORMATS
from tests.fuzz.run import fuzz

# `python -m tests.fuzz --inputs 1000000` is the long run.
INPUTS = 60


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_loaded_or_refused(tmp_path: Path, name: str) -> None:
    found = list(fuzz(name, INPUTS, 0, tmp_path))
    other = [(number, text) for text, _, number in found if text not in ("loaded", "refused")]
    assert other == []
    assert max(seconds for _, seconds, _ in found) < 10

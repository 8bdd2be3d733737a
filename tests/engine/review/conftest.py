"""A ledger that nobody has written."""

from pathlib import Path

import pytest

from wann_core.review.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "reviews" / "pets.sqlite", ("cat", "dog"))

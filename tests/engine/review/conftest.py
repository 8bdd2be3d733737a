"""A ledger that nobody has written, and photos that are reviewed."""

from pathlib import Path

import pytest

from tests.helpers.reviewed_photos import photos, review
from wann_core.audit.label_audit import audit
from wann_core.datasets.dataset import Dataset
from wann_core.review.exports import Review
from wann_core.review.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "reviews" / "pets.sqlite", ("cat", "dog"))


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return photos(tmp_path, weights="w", image_size=[2, 3])


@pytest.fixture
def reviewed(data: Dataset, tmp_path: Path) -> Review:
    verdicts = review(data, tmp_path / "reviews").verdicts()
    return Review(data, verdicts, audit(data, probe=False))

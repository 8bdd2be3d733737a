"""A folder of photos, weights in a file of safetensors, and a cache of the hub without any."""

import importlib
from pathlib import Path

import pytest

from tests.helpers.pictures import write_photos
from wann_core.datasets.images import ImageDataset


@pytest.fixture
def photos(tmp_path: Path) -> ImageDataset:
    return write_photos(tmp_path / "photos")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and of torch."""
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    file_download = importlib.import_module("huggingface_hub.file_download")
    monkeypatch.setattr(file_download.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "hub"


@pytest.fixture
def as_safetensors(small_weights: Path, tmp_path: Path) -> Path:
    import safetensors.torch
    import torch

    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(torch.load(small_weights, weights_only=True), path)
    return path

"""What somebody asks the Data page to make a database of."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from wann_core.datasets import image_sources
from wann_core.datasets.images import ImageDataset
from wann_core.datasets.sources import image_folder
from wann_core.embedding import backbones
from wann_core.progress import Progress


@dataclass(frozen=True)
class Embedding:
    """Images to embed, and how."""

    dataset: str
    root: Path
    split: str | None
    backbone: str
    weights: str | None
    image_size: int | None
    dtype: str
    on_error: str
    device: str
    merge_alike: bool
    precision: str

    def open(self, progress: Progress) -> ImageDataset:
        """The images."""
        progress(0, 1, "opening the images")
        if self.split is None:
            return image_sources.open_images(self.dataset, self.root, progress=progress)
        images = image_folder.open_images(self.root, self.dataset, split=self.split)
        return images.merge_look_alikes() if self.merge_alike else images

    def load(self, progress: Progress) -> backbones.Backbone:
        """The backbone."""
        progress(0, 1, f"loading {self.backbone}")
        return backbones.load_backbone(
            self.backbone,
            weights=self.weights,
            image_size=self.image_size,
            device=self.device,
            precision=self.precision,
            progress=progress,
        )


@dataclass(frozen=True)
class Import:
    """A table to import; `table` is the key of the job that has read it."""

    dataset: str
    backbone: str
    table: Hashable
    split: str
    drop_bad: bool
    image_root: str | None


Request = Embedding | Import

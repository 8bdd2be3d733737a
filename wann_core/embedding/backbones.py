"""Frozen models that turn images into embeddings: any timm model, or the bare pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import llvmlite.binding as llvm
import numpy as np
from PIL import Image

from wann_core.datasets.images import ImageDataset
from wann_core.embedding import timm_models
from wann_core.embedding import weights as weights_files
from wann_core.embedding.timm_models import versions
from wann_core.errors import WannError, check_choice, check_number
from wann_core.progress import Progress
from wann_core.torch_compat import prepare_torchvision
from wann_core.typing import Array

DEFAULT = "vit_large_patch14_dinov2.lvd142m"
PIXELS = "pixels"
PRECISIONS = ("float32", "bfloat16", "auto")
# Side of `pixels` where the images are files, which may differ in size.
PIXELS_SIZE = 32
_MAX_SIZE = 4096


class Backbone(Protocol):
    """What `wann_core.embedding.embed.embed` needs of a model."""

    @property
    def name(self) -> str:
        """Of the model."""
        ...

    @property
    def mode(self) -> str:
        """What `prepare` takes: 'RGB' or 'L'."""
        ...

    @property
    def record(self) -> Mapping[str, Any]:
        """JSON values on which embeddings depend: weights, transform, image size, libraries."""
        ...

    def suited_to(self, images: ImageDataset) -> "Backbone":
        """The backbone for the images of one source, perhaps itself."""
        ...

    def prepare(self, image: Image.Image) -> Array:
        """Pixels of shape (height, width, channels), uint8, of a size common to all images.

        It may be called from several threads at once.
        """
        ...

    def embed(self, batch: Array) -> Array:
        """Embeddings (n, d), float32, of a batch (n, height, width, channels) of `prepare`."""
        ...


def lanes_of(backbone: Backbone) -> int:
    """Return how many batches a backbone embeds side by side, each in a thread of its own.

    One, unless it has an attribute `lanes`: the number of threads in which `embed` may run.
    """
    return int(getattr(backbone, "lanes", 1))


@dataclass(frozen=True)
class Pixels:
    """The image itself, flattened row by row and scaled to [0, 1]; no weights, no torch.

    Parameters
    ----------
    image_size : int or (int, int) or None
        Side, or (height, width), to which every image is resized, its aspect not kept. If None,
        images that are rows of an array keep their own size, and files become 32 × 32.
    mode : str
        'RGB' or 'L'. `suited_to` chooses 'L' where the source is an array of gray images.
    """

    image_size: int | tuple[int, int] | None = None
    mode: str = "RGB"
    name: str = field(default=PIXELS, init=False)
    lanes: int = field(default=1, init=False)

    @property
    def record(self) -> dict[str, Any]:
        """Weights (none), transform and image size, as JSON values."""
        height, width = self._sides()
        transform = f"{self.mode}, Resize({height} × {width}, bilinear), / 255, row by row"
        return {
            "weights": None,
            "transform": transform,
            "image_size": [height, width],
            "libraries": versions("numpy", "pillow"),
        }

    def _sides(self) -> tuple[int, int]:
        size = PIXELS_SIZE if self.image_size is None else self.image_size
        return (size, size) if isinstance(size, int) else size

    def suited_to(self, images: ImageDataset) -> "Pixels":
        """With the size, and gray or RGB, that the source's arrays have."""
        arrays = [split.pixels for split in images.splits.values()]
        first = next(iter(arrays))
        gray = all(pixels is not None and pixels.ndim == 3 for pixels in arrays)
        size = self.image_size
        if size is None and first is not None:
            size = int(first.shape[1]), int(first.shape[2])
        return Pixels(size, "L" if gray else "RGB")

    def prepare(self, image: Image.Image) -> Array:
        """Pixels of shape (height, width, 1 or 3), uint8."""
        height, width = self._sides()
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(height, width, -1)

    def embed(self, batch: Array) -> Array:
        """Rows of height × width × channels values in [0, 1], float32."""
        flat = batch.reshape(len(batch), -1).astype(np.float32)
        flat /= 255
        return flat


def installed_backbones() -> list[str]:
    """Names of the backbones that are usable without a network, 'pixels' first."""
    if find_spec("timm") is None or find_spec("torch") is None:
        return [PIXELS]
    prepare_torchvision()
    return [PIXELS, *weights_files.installed()]


def check_backbone(name: str) -> None:
    """Raise `WannError` unless the name is 'pixels' or a model of timm; nothing is downloaded."""
    if name != PIXELS:
        timm_models.check_name(name)


def no_bfloat16(name: str, device: str = "auto") -> str | None:
    """Why a backbone gains nothing from 'bfloat16' here; None where it may.

    Parameters
    ----------
    name : str
        'pixels' or a model of timm.
    device : str
        As in `load_backbone`. A GPU is taken to have instructions for it, as is a processor other
        than x86, whose features cannot be asked for everywhere.
    """
    if name == PIXELS:
        return "'pixels' is the image itself: no model computes anything"
    if _processor_has_bfloat16() or (device != "cpu" and timm_models.has_gpu()):
        return None
    return "this processor has no instructions for bfloat16, which would be slower than float32"


def _processor_has_bfloat16() -> bool:
    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:  # LLVM cannot tell on this platform
        return True
    # Only on x86 every feature is listed, those that are missing too.
    known = [features[name] for name in ("avx512bf16", "amx-bf16") if name in features]
    return any(known) or not known


def load_backbone(
    name: str = DEFAULT,
    *,
    weights: str | Path | None = None,
    image_size: int | None = None,
    device: str = "auto",
    autocast: bool = False,
    precision: str = "float32",
    progress: Progress | None = None,
) -> Backbone:
    """Load a frozen backbone with its weights and its evaluation transform.

    Parameters
    ----------
    name : str
        'pixels' or a model of timm, as in 'resnet18.a1_in1k'.
    weights : path, optional
        State dict (.safetensors, .pth, .pt or .bin) to use instead of timm's own, with or without
        the parameters of a classifying head. Nothing but tensors is unpickled.
    image_size : int, optional
        Side of the model's input in pixels; its own default if None.
    device : str
        'auto' (a GPU if there is one), or torch's name of a device.
    autocast : bool
        Compute in half precision where torch deems it safe.
    precision : {'float32', 'bfloat16', 'auto'}
        Arithmetic of the model. 'auto': what is faster on this machine, see `settled`; two machines
        may choose differently, so that their embeddings differ by about a hundredth.
    progress : callable, optional
        `progress(done, total, text)` while weights are downloaded; may raise to stop.

    Raises
    ------
    WannError
        If there is no such model or device, or its weights cannot be had or do not fit.
    """
    if image_size is not None:
        check_number("image_size", image_size, 1, _MAX_SIZE, whole=True)
    check_choice("precision", precision, PRECISIONS)
    if autocast and precision != "float32":
        raise WannError("`precision` and `autocast` cannot both be asked for.", "precision")
    if name != PIXELS:
        return timm_models.load(name, weights, image_size, device, autocast, precision, progress)
    if precision == "bfloat16":
        raise WannError("backbone 'pixels' computes nothing in bfloat16.", "precision")
    if autocast:
        raise WannError("backbone 'pixels' computes nothing in half precision.", "autocast")
    if device not in ("auto", "cpu"):
        raise WannError(f"backbone 'pixels' computes on the CPU alone, got {device!r}.", "device")
    if weights is not None:
        raise WannError("backbone 'pixels' has no weights to load.", "weights")
    return Pixels(image_size)

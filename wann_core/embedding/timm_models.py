"""Models of timm as frozen backbones, with their own evaluation transform."""

import copy
import difflib
import importlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from wann_core.datasets.images import ImageDataset
from wann_core.embedding import lanes
from wann_core.embedding import weights as weights_files
from wann_core.errors import WannError, check_choice, check_installed
from wann_core.progress import Progress
from wann_core.text import first_few
from wann_core.torch_compat import prepare_torchvision
from wann_core.typing import Array

# Batches side by side on the processor, each of which takes memory.
_MOST_LANES = 8
# Images that go through a model on the processor together. Larger activations leave the cache, and
# beyond some tens of megabytes the system takes back their memory and clears it again for each
# layer: a batch of 32 at 224 pixels spends two thirds of its time on that.
_IN_CACHE = 4


class TimmBackbone:
    """A timm model in evaluation mode; made by `load`."""

    mode = "RGB"

    def __init__(
        self,
        name: str,
        model: Any,
        weights: dict[str, str],
        data: dict[str, Any],
        device: Any,
        autocast: bool,
        precision: str = "float32",
    ) -> None:
        timm_data: Any = importlib.import_module("timm.data")
        self._torch: Any = importlib.import_module("torch")
        self.name = name
        self._model = model
        self._device = device
        self._autocast = autocast
        self.precision = precision
        # Images a second in each precision, where they were measured to choose one.
        self.rates: dict[str, float] | None = None
        threads = self._torch.get_num_threads()
        on_processor = device.type == "cpu"
        self.lanes = min(threads, _MOST_LANES) if on_processor else 1
        self._threads = threads // self.lanes
        self._at_once = _IN_CACHE if on_processor else None
        for module in model.modules():
            if not list(module.children()):
                module.register_forward_pre_hook(_check_lane)
        # All but the last steps, ToTensor and Normalize. Those are done for whole batches: small
        # torch operations in many threads would fight for the cores with the model.
        self._geometry = timm_data.create_transform(**data, is_training=False, use_prefetcher=True)
        self._mean, self._std = (
            self._torch.tensor(data[key], device=device).view(1, -1, 1, 1)
            for key in ("mean", "std")
        )
        published = timm_data.create_transform(**data, is_training=False)
        self.record = {
            "weights": weights,
            "transform": "; ".join(str(step) for step in published.transforms),
            "image_size": list(data["input_size"][1:]),
            "device": device.type,
            "autocast": autocast,
            "libraries": versions("numpy", "pillow", "timm", "torch", "torchvision"),
        }
        if precision == "bfloat16":
            self.record |= {"autocast": True, "precision": precision}

    def in_precision(self, precision: str) -> "TimmBackbone":
        """The same model computing in 'float32' or 'bfloat16'."""
        other = copy.copy(self)
        other.precision = precision
        rest = {key: value for key, value in self.record.items() if key != "precision"}
        half = precision == "bfloat16"
        other.record = {**rest, "autocast": half} | ({"precision": precision} if half else {})
        return other

    def suited_to(self, images: ImageDataset) -> "TimmBackbone":
        """Itself: a model's transform fits images of every size."""
        return self

    def prepare(self, image: Image.Image) -> Array:
        """Pixels of shape (height, width, 3), uint8, resized and cropped as the model wants."""
        pixels: Array = np.asarray(self._geometry(image)).transpose(1, 2, 0)
        return pixels

    def embed(self, batch: Array) -> Array:
        """`forward_head(forward_features(x), pre_logits=True)` as float32 (n, d).

        Raises
        ------
        WannError
            If the batch does not fit into the memory of the device.
        """
        if self.lanes > 1 and lanes.inside():
            _share_cores(self._torch, self._threads)
        size = self._at_once or len(batch)
        parts = [self._forward(batch[i : i + size]) for i in range(0, len(batch), size)]
        return np.concatenate(parts)

    def _arithmetic(self) -> Any:
        kind, half = self._device.type, self.precision == "bfloat16"
        dtype = self._torch.bfloat16 if half else None
        return self._torch.autocast(kind, dtype=dtype, enabled=half or self._autocast)

    def _forward(self, batch: Array) -> Array:
        torch = self._torch
        stored = torch.from_numpy(batch)
        if self._device.type == "cuda":
            stored = stored.pin_memory().to(self._device, non_blocking=True)
        try:
            with (
                torch.inference_mode(),
                self._arithmetic(),
            ):
                # The arithmetic of ToTensor and Normalize, value for value.
                x = stored.permute(0, 3, 1, 2).to(
                    torch.float32, memory_format=torch.contiguous_format
                )
                x = x.div_(255).sub_(self._mean).div_(self._std)
                features = self._model.forward_features(x)
                out = self._model.forward_head(features, pre_logits=True)
            result: Array = out.float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise WannError(
                f"a batch of {len(batch)} images does not fit into the memory of the device; "
                "lower `batch_size`.",
                "batch_size",
            ) from error
        return result


def _check_lane(*_: Any) -> None:
    lanes.check()


def _share_cores(torch: Any, threads: int) -> None:
    """Set the number of OpenMP threads for operations of this thread only."""
    if not hasattr(_limited, "by"):
        # The first question sets the number for this thread: a bound before it would be undone.
        torch.get_num_threads()
        _limited.by = threadpool_limits(threads, user_api="openmp")


_limited = threading.local()


def load(
    name: str,
    weights: str | Path | None,
    image_size: int | None,
    device: str,
    autocast: bool,
    precision: str,
    progress: Progress | None,
) -> TimmBackbone:
    """See `wann_core.embedding.backbones.load_backbone`."""
    check_name(name)
    given = None if weights is None else _checked(Path(weights))
    check = None if given else weights_files.hub_check_for(name)
    prepare_torchvision()
    timm: Any = importlib.import_module("timm")
    cfg = _configuration(timm, name)
    target = _device(device)
    path = given or weights_files.find(cfg) or weights_files.fetch(name, cfg, check, progress)
    model = _build(timm, name, cfg, path, image_size, own=given is not None)
    size = {} if image_size is None else {"img_size": image_size}
    data = timm.data.resolve_model_data_config(model, args=size)
    recorded = {"name": path.name, "sha256": weights_files.sha256(path)}
    model = model.eval().requires_grad_(False).to(target)
    backbone = TimmBackbone(name, model, recorded, data, target, autocast, precision)
    _try_out(backbone, data["input_size"])
    return backbone


def check_name(name: str) -> None:
    """Refuse names that timm does not know, before anything is downloaded.

    Raises
    ------
    WannError
        If there is no such model; the message names those that are close to it. If timm is not
        installed.
    """
    check_installed(f"the backbone {name!r}", "timm", "torch", field="backbone")
    # To import timm takes seconds, to read it does not. Only names not found there are asked for.
    spec = find_spec("timm")
    folder = Path(spec.origin if spec and spec.origin else "").parent / "models"
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    base, _, tag = name.partition(".")
    if f"\ndef {base}(" not in text or (tag and f"'{name}'" not in text):
        prepare_torchvision()
        _configuration(importlib.import_module("timm"), name)


def versions(*libraries: str) -> dict[str, str]:
    """Installed version of each library."""
    return {library: version(library) for library in libraries}


def _checked(path: Path) -> Path:
    if path.suffix not in weights_files.SUFFIXES or not path.is_file():
        raise WannError(
            f"`weights` must be an existing file ({', '.join(weights_files.SUFFIXES)}), "
            f"got {str(path)!r}.",
            "weights",
        )
    return path


def _configuration(timm: Any, name: str) -> Any:
    base, _, tag = name.partition(".")
    tags = timm.list_pretrained(f"{base}.*")
    if timm.is_model(base) and (not tag or name in tags):
        return timm.get_pretrained_cfg(name)
    known = ["pixels", *timm.list_models(), *timm.list_pretrained()]
    close = tags or difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    hint = f"; close to it are {', '.join(close)}" if close else ""
    raise WannError(
        f"`backbone` must be 'pixels' or a model of timm, got {name!r}{hint}.", "backbone"
    )


def has_gpu() -> bool:
    """Whether torch is installed and finds a GPU; the first call may take seconds."""
    if find_spec("torch") is None:
        return False
    return bool(importlib.import_module("torch").cuda.is_available())


def _device(name: str) -> Any:
    torch: Any = importlib.import_module("torch")
    has_cuda = has_gpu()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise WannError(f"`device` must be auto, cpu or cuda; got {name!r}.", "device") from error
    check_choice("device", device.type, ("cpu", "cuda"))
    if device.type == "cuda" and not has_cuda:
        raise WannError(
            "`device` must be cpu here, where torch finds no GPU; got 'cuda'.", "device"
        )
    return device


def _build(timm: Any, name: str, cfg: Any, path: Path, image_size: int | None, own: bool) -> Any:
    """The model with the weights of a file, which must hold every parameter."""
    # Only models of a fixed input size know this argument.
    size = {"img_size": image_size} if image_size and cfg.fixed_input_size else {}
    overlay = {"file": str(path), "custom_load": False if own else cfg.custom_load}
    try:
        with _unmatched_keys() as (missing, others):
            model = timm.create_model(
                name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay, **size
            )
    # Out of torch's and timm's readers damaged files bring all kinds of exceptions.
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise WannError(f"{name!r} cannot load {str(path)!r}: {text}.", "weights") from error
    if missing:
        instead = f" and has others instead ({first_few(others, 3)})" if others else ""
        raise WannError(
            f"{str(path)!r} does not fit {name!r}: it lacks {len(missing)} of its parameters "
            f"({first_few(missing, 3)}){instead}.",
            "weights",
        )
    return model


@contextmanager
def _unmatched_keys() -> Iterator[tuple[list[str], list[str]]]:
    """Collect the parameters that timm, in this thread, does not find in a file, and surplus ones.

    It reports them to its log alone. Its warnings of surplus ones, a head for example, end here.
    """
    found: dict[str, list[str]] = {"Missing": [], "Unexpected": []}
    here = threading.get_ident()
    log = logging.getLogger("timm.models._builder")

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kind, _, text = record.getMessage().partition(" keys (")
            if record.thread == here and kind in found:
                found[kind].extend(text.partition(")")[0].split(", "))

    handler = Handler()
    with _log_lock:
        level = log.level
        log.setLevel(logging.INFO)
        log.addHandler(handler)
        try:
            yield found["Missing"], found["Unexpected"]
        finally:
            log.removeHandler(handler)
            log.setLevel(level)


_log_lock = threading.Lock()


def _try_out(backbone: TimmBackbone, input_size: tuple[int, ...]) -> None:
    """Embed one black image, so that what cannot work fails before any work is done."""
    channels, height, width = input_size
    try:
        shape = backbone.embed(np.zeros((1, height, width, channels), np.uint8)).shape
    except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError) as error:
        text = " ".join(str(error).split())[:200]
        raise WannError(
            f"{backbone.name!r} cannot embed images of {height} × {width} pixels: {text}.",
            "image_size",
        ) from error
    if len(shape) != 2:
        raise WannError(
            f"{backbone.name!r} gives arrays of shape {shape} instead of embeddings.", "backbone"
        )

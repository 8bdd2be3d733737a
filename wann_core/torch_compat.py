"""Makes torchvision, and so timm and medmnist, importable beside a CPU build of torch."""

import importlib
import importlib.util
import threading
from pathlib import Path
from typing import Any

from wann_core.errors import check_installed

# torchvision's compiled operators, which nothing here calls.
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

_lock = threading.Lock()
# The declarations live as long as this object does.
_library: Any = None


def prepare_torchvision() -> None:
    """Declare those of torchvision's operators that it wants to find but cannot load.

    Call it before the first import of torchvision, timm or medmnist. The public torchvision wheel
    cannot load its compiled operators beside a CPU build of torch; importing it then fails with
    "operator torchvision::nms does not exist", although the schema alone is wanted. Where the
    operators load, nothing is declared. Safe to call often and from several threads.

    Raises
    ------
    WannError
        If torch or torchvision is not installed.
    """
    global _library
    with _lock:
        if _library is not None:
            return
        check_installed("what reads or embeds these images", "torch", "torchvision")
        torch: Any = importlib.import_module("torch")
        _load_operators(torch)
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name, schema in _SCHEMAS.items():
            if not _declared(torch, name):
                library.define(schema)
        _library = library


def _load_operators(torch: Any) -> None:
    """Load torchvision's operators as its own import does, so that none is declared twice."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    for path in Path(spec.origin).parent.glob("_C.*"):
        try:
            torch.ops.load_library(str(path))
        except OSError:
            return  # built for another torch: torchvision itself goes on without it, too


def _declared(torch: Any, name: str) -> bool:
    try:
        getattr(torch.ops.torchvision, name)
    except AttributeError:
        return False
    return True

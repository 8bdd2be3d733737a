"""Makes torchvision, and so timm and medmnist, importable beside a CPU build of torch."""

import importlib
import sys
import threading
from typing import Any

from wann_core.errors import check_installed

# torchvision's compiled operators, which nothing here calls.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_lock = threading.Lock()
# The declarations live as long as this object does.
_library: Any = None


def prepare_torchvision() -> None:
    """Declare those of torchvision's operators that it wants to find but cannot load.

    Call it before the first import of torchvision, timm or medmnist. The public torchvision wheel
    cannot load its compiled operators beside a CPU build of torch; importing it then fails with
    "operator torchvision::nms does not exist", although the schema alone is wanted. Where the
    import succeeds nothing is declared: an operator declared twice ends the process. Safe to call
    often and from several threads.

    Raises
    ------
    WannError
        If torch or torchvision is not installed.
    """
    global _library
    with _lock:
        if _library is not None or "torchvision" in sys.modules:
            return
        check_installed("what reads or embeds these images", "torch", "torchvision")
        torch: Any = importlib.import_module("torch")
        try:
            importlib.import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise
            # Half of it has been imported.
            for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            _library = torch.library.Library("torchvision", "FRAGMENT")
            for schema in _SCHEMAS:
                _library.define(schema)

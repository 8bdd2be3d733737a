"""Candidates of exact search by torch's products, on a GPU where there is one."""

import contextlib
import importlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from wann_core.errors import WannError, check_installed
from wann_core.typing import Array

# Queries and rows of one product: its scores take half a gigabyte of the device.
QUERIES, _ROWS = 2048, 1 << 16
# While one batch is multiplied, other threads rank the candidates of those before. One lock for
# all, as the precision of products is set for the whole process.
_multiplying = threading.Lock()


class TorchScan:
    """Rows on a device, and the search for candidates among them.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
    device : str, optional
        As torch names it; by default 'cuda' where there is a GPU, else 'cpu'.

    Raises
    ------
    WannError
        If torch is not installed, or the rows do not fit into the GPU's memory.
    """

    def __init__(self, rows: Array, device: str | None = None) -> None:
        check_installed("search by torch", "torch")
        self.torch: Any = importlib.import_module("torch")
        if device is None:
            device = "cuda" if self.torch.cuda.is_available() else "cpu"
        self.device = device
        norms = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        with _memory_told(self.torch):
            self.rows = self._there(rows)
            self.half = self._there((norms / 2).astype(np.float32))

    def scan(self, queries: Array, wanted: int) -> tuple[Array, Array, Array]:
        """The `wanted` rows nearest to each query by float32 products, as `scan.scan`.

        Scores are made and looked through for part of the rows at a time, and never all held.
        """
        torch, n = self.torch, len(self.rows)
        with (
            _multiplying,
            _memory_told(torch),
            torch.inference_mode(),
            _in_full_precision(torch),
        ):
            asked = self._there(queries)
            best = self.half.new_empty((len(queries), 0))
            ids = torch.empty((len(queries), 0), dtype=torch.int64, device=self.device)
            for start in range(0, n, _ROWS):
                part = slice(start, min(start + _ROWS, n))
                scores = torch.addmm(self.half[part], asked, self.rows[part].T, alpha=-1)
                kept, places = scores.topk(min(wanted, scores.shape[1]), largest=False)
                best = torch.cat([best, kept], dim=1)
                ids = torch.cat([ids, places + start], dim=1)
                if best.shape[1] > wanted:
                    best, order = best.topk(wanted, largest=False)
                    ids = ids.gather(1, order)
            squares = 2 * best + (asked * asked).sum(dim=1, keepdim=True)
            found = squares.cpu().numpy()
            outside = found.max(axis=1) if wanted < n else np.full(len(found), np.inf, np.float32)
            return found, ids.to(torch.int32).cpu().numpy(), outside

    def _there(self, rows: Array) -> Any:
        """The same on the device; pinned first, so that the copy runs at full speed."""
        here = self.torch.from_numpy(np.require(rows, requirements=["C", "W"]))
        if self.device.startswith("cuda"):
            here = here.pin_memory()
        return here.to(self.device, non_blocking=True)


@contextlib.contextmanager
def _memory_told(torch: Any) -> Iterator[None]:
    """Say in a sentence that the GPU's memory is too small."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise WannError(
            "the GPU's memory is too small for a search of these rows; `search` 'flat' runs on the "
            "processor.",
            "search",
        ) from error


@contextlib.contextmanager
def _in_full_precision(torch: Any) -> Iterator[None]:
    """Products without TF32 or bfloat16, whose rounding the proof does not know."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)

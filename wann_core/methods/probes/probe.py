"""A trained linear probe, and its file."""

import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wann_core.errors import WannError, check_installed
from wann_core.storage.files import write_atomically
from wann_core.typing import Array

_FORMAT = "wann-probe-1"
_TENSORS = ("weight", "bias", "mean", "scale")
_CHUNK = 4096
_MOST_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear layer on normalized embeddings.

    Attributes
    ----------
    weight : ndarray of shape (C, d), float32
    bias : ndarray of shape (C,), float32
    mean, scale : ndarray of shape (d,), float64
        Statistics of its training rows: embeddings x enter as (x - mean) · scale.
    facts : dict
        JSON values on where it comes from: dataset, backbone, scenario, loss, loss_parameters,
        class_names, ….
    """

    weight: Array
    bias: Array
    mean: Array
    scale: Array
    facts: dict[str, Any] = field(default_factory=dict)

    def predict_proba(self, X: Array) -> Array:
        """Probability of each class, shape (m, C), float64, for embeddings of shape (m, d)."""
        parts = []
        for start in range(0, len(X), _CHUNK):
            x = ((X[start : start + _CHUNK] - self.mean) * self.scale).astype(np.float32)
            logits = (x @ self.weight.T + self.bias).astype(np.float64)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            parts.append(odds / odds.sum(axis=1, keepdims=True))
        return np.concatenate(parts)

    def save(self, path: Path) -> None:
        """Write it as a safetensors file, whole or not at all."""
        check_installed("a checkpoint", "safetensors")
        from safetensors.numpy import save

        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in _TENSORS}
        metadata = {"format": _FORMAT, "facts": json.dumps(self.facts)}
        content = save(tensors, metadata=metadata)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(content))

    @classmethod
    def load(cls, path: Path) -> "Probe":
        """Read a file that `save` wrote.

        Raises
        ------
        WannError
            If there is none, or it is anything else.
        """
        check_installed("a checkpoint", "safetensors")
        from safetensors import SafetensorError
        from safetensors.numpy import load

        if not path.is_file():
            raise WannError(f"there is no checkpoint {str(path)!r}; train the probe first.")
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError(f"it is larger than {_MOST_BYTES >> 30} GiB")
            content = path.read_bytes()
            tensors = load(content)
            (length,) = struct.unpack("<Q", content[:8])
            metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
            if metadata.get("format") != _FORMAT:
                raise ValueError("it was not written by probe-train")
            facts = json.loads(metadata["facts"])
            weight, bias, mean, scale = (tensors[name] for name in _TENSORS)
        except (SafetensorError, OSError, ValueError, KeyError, struct.error) as error:
            raise WannError(f"{str(path)!r} is not a checkpoint of a probe: {error}.") from error
        shapes = [array.shape for array in (weight, bias, mean, scale)]
        classes, columns = bias.size, mean.size
        if shapes != [(classes, columns), (classes,), (columns,), (columns,)]:
            raise WannError(f"{str(path)!r} is not a checkpoint of a probe: shapes {shapes}.")
        return cls(weight, bias, mean, scale, facts)


def digest_of(*arrays: Array) -> str:
    """A short name for the content of arrays."""
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

"""Catalog of data sets, embedding databases, users' tables, and loaders for each source."""

from wann_core.datasets.dataset import Dataset, Split
from wann_core.datasets.resolve import BUILT_IN, available, fingerprint, load

__all__ = ["BUILT_IN", "Dataset", "Split", "available", "fingerprint", "load"]

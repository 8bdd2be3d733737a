"""A user's own embeddings: .npz, Parquet or CSV, inspected, read, checked and imported."""

from wann_core.datasets.tables.columns import Columns
from wann_core.datasets.tables.reading import Table, TableInfo, inspect, read
from wann_core.datasets.tables.source import Column, Limits

__all__ = ["Column", "Columns", "Limits", "Table", "TableInfo", "inspect", "read"]

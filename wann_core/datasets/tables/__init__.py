"""A user's own embeddings in a table, inspected, read, checked and imported."""

from wann_core.datasets.tables.checks import (
    Problem,
    left_out,
    problems,
)
from wann_core.datasets.tables.columns import Columns
from wann_core.datasets.tables.importing import SPLIT_RULES, import_table, to_splits, write_table
from wann_core.datasets.tables.mending import drop_bad_rows, merge_look_alikes
from wann_core.datasets.tables.reading import inspect, read
from wann_core.datasets.tables.source import Column, Limits
from wann_core.datasets.tables.table import Table, TableInfo

__all__ = [
    "SPLIT_RULES",
    "Column",
    "Columns",
    "Limits",
    "Problem",
    "Table",
    "TableInfo",
    "drop_bad_rows",
    "import_table",
    "inspect",
    "left_out",
    "merge_look_alikes",
    "problems",
    "read",
    "to_splits",
    "write_table",
]

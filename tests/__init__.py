"""Tests of the engine, of the pages, and of the app in a real browser."""

import os
from pathlib import Path

# Before numba is imported: what one process has compiled, of UMAP too, serves all others and the
# next run. It is the folder in which the app itself keeps what UMAP compiles.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parents[1] / "cache" / "compiled"))

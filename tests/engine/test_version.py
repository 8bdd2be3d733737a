"""Versions that reports and stored runs name."""

import importlib.metadata

import numpy as np
import pytest

from wann_core.version import LIBRARIES, library_versions


def test_a_library_under_another_name_costs_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.metadata.version

    def version(name: str) -> str:
        if name == "faiss-cpu":  # conda's package is called faiss
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = library_versions()
    assert tuple(found) == LIBRARIES
    assert (found["faiss-cpu"], found["numpy"]) == ("of unknown version", np.__version__)

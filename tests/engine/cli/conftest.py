"""How the command `knn` is asked."""

from pathlib import Path

import pytest


@pytest.fixture
def knn_flags(database: Path, tmp_path: Path) -> list[str]:
    """Flags that name the small database and where the log goes."""
    return [
        "knn",
        "--experiment_name",
        "trial",
        "--output_root",
        str(tmp_path / "logs"),
        "--database_root",
        str(database),
        "--dataset",
        "small",
        "--backbone",
        "tiny",
    ]


@pytest.fixture
def steep_tail(tmp_path: Path) -> list[str]:
    """Flags that ask of the digits a longer tail than they have rows for."""
    return [
        "knn",
        "--experiment_name",
        "trial",
        "--output_root",
        str(tmp_path / "logs"),
        "--dataset",
        "digits",
        "--backbone",
        "pixels",
        "--imbalance_ratio",
        "1",
    ]

"""An audit that was stopped after its search goes on without another one."""

from pathlib import Path

import numpy as np
import pytest

from wann_core.cli.main import main
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.neighbors import cache
from wann_core.neighbors.graph import NeighborGraph


def test_an_audit_that_was_stopped_searches_no_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_WORTH_KEEPING", 0)
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 300)
    X = (rng.normal(size=(3, 8))[true] + 0.3 * rng.normal(size=(300, 8))).astype(np.float32)
    np.savez(tmp_path / "rows.npz", embeddings=X, labels=true)
    command = ["audit", str(tmp_path / "rows.npz"), "--out", str(tmp_path / "out.csv")]

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    searched: list[int] = []
    build = NeighborGraph.build

    def counted(*args: object, **options: object) -> NeighborGraph:
        searched.append(1)
        return build(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(NeighborGraph, "build", counted)
    with monkeypatch.context() as patch:
        patch.setattr(OutOfFold, "__init__", stop)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            raise SystemExit(main(command))
    assert len(searched) == 1 and not (tmp_path / "out.csv").exists()
    assert main(command) == 0
    assert len(searched) == 1
    assert (tmp_path / "out.csv").exists()

"""torchvision beside any build of torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.roots import ROOT

_OPERATORS = """
import torch
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
_CALLS = """
from wann_core.torch_compat import prepare_torchvision
prepare_torchvision()
prepare_torchvision()
import torch, torchvision
torch.ops.torchvision.nms
"""


@pytest.mark.slow
@pytest.mark.parametrize("operators", ["its own", "none"])
def test_operators_are_declared_once(operators: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    package = tmp_path / "torchvision"
    package.mkdir()
    wants = '\nimport torch\ntorch.library.register_fake("torchvision::nms")(lambda *_: None)\n'
    (package / "__init__.py").write_text((_OPERATORS if operators == "its own" else "") + wants)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", _CALLS],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

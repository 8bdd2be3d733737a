"""Memory of reading hostile files, measured in a process of its own."""

import io
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_PEAK = Path("/proc/self/clear_refs")
_SCRIPT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from wann_core.datasets import database, decoding, tables
from wann_core.datasets.images import ImageSplit
from wann_core.embedding import inventory
from wann_core.errors import WannError
from PIL import Image

folder, pixels = Path(sys.argv[1]), int(sys.argv[2])
decoding.MAX_PIXELS, decoding.BUDGET = pixels, decoding.Budget(pixels)

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) << 10

def decode(name, side=None):
    for row in range(4):
        decoding.decode(ImageSplit(np.zeros(1, np.int64), folder, [name]), 0, side=side)

def crowd(name, side=None):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: decode(name, side), range(8)))

def listed():
    (found,) = inventory.databases(folder / "root")
    assert found.state == "damaged", found
    database.load(folder / "root", "d", "b")

Image.init()
decode("small.png")
found = {}
for case, work in {
    "whole images, 8 at once": lambda: crowd("clear.png"),
    "thumbnails, 8 at once": lambda: crowd("color.png", 160),
    "an image of 13,000 x 13,000": lambda: decode("huge.png", 160),
    "a table of zeros": lambda: tables.read(folder / "zeros.npz"),
    "a database of zeros": listed,
}.items():
    Path("/proc/self/clear_refs").write_text("5")
    before, refused = memory("VmRSS"), False
    try:
        work()
    except WannError:
        refused = True
    found[case] = [refused, memory("VmHWM") - before]
print(json.dumps(found))
"""
_PIXELS = 1 << 21
_BUDGET = 16 * _PIXELS
_SLACK = 16 << 20  # allocators, threads and the modules that a first call imports


def _png(side: int) -> bytes:
    """A gray picture of one bit a pixel, packed line by line."""
    packer = zlib.compressobj(1)
    line = bytes(1 + (side + 7) // 8)
    data = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + checksum

    head = side.to_bytes(4, "big") * 2 + bytes((1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.skipif(not _PEAK.exists(), reason="the peak can be measured on Linux alone")
def test_a_small_file_costs_no_more_than_the_budget(tmp_path: Path) -> None:
    side = int(_PIXELS**0.5)
    Image.new("RGBA", (side, side), (1, 2, 3, 4)).save(tmp_path / "clear.png", compress_level=1)
    Image.new("RGB", (side, side)).save(tmp_path / "color.png", compress_level=1)
    Image.new("RGBA", (9, 9), (1, 2, 3, 4)).save(tmp_path / "small.png")
    (tmp_path / "huge.png").write_bytes(_png(13_000))
    buffer = io.BytesIO()
    zeros = np.zeros((1 << 18, 64), np.float32)
    np.savez_compressed(buffer, embeddings=zeros, labels=np.zeros(1 << 18, np.int64))
    (tmp_path / "zeros.npz").write_bytes(buffer.getvalue())
    (tmp_path / "root/d/b").mkdir(parents=True)
    (tmp_path / "root/d/b/train.npz").write_bytes(buffer.getvalue())
    assert all(path.stat().st_size < 500_000 for path in tmp_path.glob("*.*"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SCRIPT, str(tmp_path), str(_PIXELS)],
        capture_output=True,
        text=True,
        check=True,
        # As for images of the real budget's size, which the allocator gives back at once.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000"},
    )
    found = json.loads(done.stdout)
    assert {case: refused for case, (refused, _) in found.items()} == {
        "whole images, 8 at once": False,
        "thumbnails, 8 at once": False,
        "an image of 13,000 x 13,000": True,
        "a table of zeros": True,
        "a database of zeros": True,
    }
    grown = {case: size for case, (_, size) in found.items()}
    # Beside what is being decoded, each thread holds an image that is done.
    assert grown["whole images, 8 at once"] < 8 * 4 * _PIXELS + _BUDGET + _SLACK
    assert grown["thumbnails, 8 at once"] < _BUDGET + _SLACK
    refused = [case for case, (refused, _) in found.items() if refused]
    assert {case: grown[case] for case in refused if grown[case] > _SLACK} == {}

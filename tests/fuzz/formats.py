"""Data of users: a small corpus of each format, and the one way to load it."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from PIL import Image

from tests.fuzz.form import Format, saved
from tests.fuzz.state_formats import state
from wann_core.datasets import database, tables
from wann_core.datasets.decoding import decode
from wann_core.datasets.images import ImageSplit
from wann_core.datasets.npz_files import pack_names
from wann_core.datasets.sources import archive, human_labels, image_folder
from wann_core.embedding import inventory, partial
from wann_core.embedding.backbones import load_backbone
from wann_core.torch_compat import prepare_torchvision

_X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
_Y = np.arange(12) % 3
_MODEL = "test_resnet"  # of timm, small


def _npz() -> list[bytes]:
    arrays = {"embeddings": _X, "labels": _Y}
    more = {
        "ids": np.arange(12),
        "clean_labels": _Y,
        "names": pack_names([f"{i}.png" for i in range(12)]),
    }
    parts = {"X_train": _X, "y_train": _Y, "X_test": _X, "y_test": _Y}
    return [
        saved(lambda file: np.savez(file, **arrays)),
        saved(lambda file: np.savez_compressed(file, **arrays, **more)),
        saved(lambda file: np.savez(file, **parts)),
        saved(lambda file: np.savez(file, embeddings=_X, label=_Y.astype("<U3"))),
    ]


def _parquet() -> list[bytes]:
    columns = {"embedding": list(_X), "label": [f"c{y}" for y in _Y], "id": np.arange(12)}
    wide = {f"e{j}": _X[:, j] for j in range(3)} | {"label": _Y}
    return [saved(lambda file, t=t: pq.write_table(pa.table(t), file)) for t in (columns, wide)]


def _feather() -> list[bytes]:
    columns = {"embedding": list(_X), "label": [f"c{y}" for y in _Y], "id": np.arange(12)}
    codes = pa.table(columns | {"label": pa.array(columns["label"]).dictionary_encode()})
    return [
        saved(lambda file, c=compression: feather.write_feather(codes, file, compression=c))
        for compression in ("uncompressed", "lz4", "zstd")
    ]


def _rows_of_json() -> list[bytes]:
    rows = [{"embedding": x.tolist(), "label": f"c{y}"} for x, y in zip(_X, _Y, strict=True)]
    return ["\n".join(map(json.dumps, rows)).encode()]


def _csv() -> list[bytes]:
    rows = [f"{a:.3f},{b:.3f},{y},r{y}" for (a, b, _), y in zip(_X, _Y, strict=True)]
    text = "\n".join(["e0,e1,label,id", *rows])
    semicolons = text.replace(",", ";").replace(".", ",")
    return [text.encode(), semicolons.encode("cp1252"), b'v,y\n"[1, 2]",a\n"[2, 3]",b\n']


def _metadata() -> list[bytes]:
    return [b"file_name,label,split\n0.png,a,train\n1.png,b,train\n2.png,,\n3.png,b,test\n"]


def _json_lines() -> list[bytes]:
    rows = [{"file_name": f"{i}.png", "label": label} for i, label in enumerate(["a", 3, None])]
    return ["\n".join(json.dumps(row) for row in rows).encode()]


def _fiftyone() -> list[bytes]:
    return [
        json.dumps({"classes": classes, "labels": {"0": label, "1": label}}).encode()
        for classes, label in ((None, "a"), (["a", "b"], 1))
    ]


def _torch() -> list[bytes]:
    import torch

    content = {"clean_label": _Y, "worse_label": _Y.astype(np.uint8)}
    return [
        saved(lambda file, new=new: torch.save(content, file, _use_new_zipfile_serialization=new))
        for new in (True, False)
    ]


def _tensors() -> dict[str, Any]:
    prepare_torchvision()
    import timm

    state: dict[str, Any] = timm.create_model(_MODEL).state_dict()
    return state


def _pth() -> list[bytes]:
    tensors = _tensors()
    import torch

    return [
        saved(lambda file, new=new: torch.save(tensors, file, _use_new_zipfile_serialization=new))
        for new in (True, False)
    ]


def _safetensors() -> list[bytes]:
    from safetensors.torch import save

    return [save(_tensors())]


def _read_weights(path: Path) -> None:
    load_backbone(_MODEL, weights=path, device="cpu")


def _images() -> list[bytes]:
    picture = Image.fromarray(np.arange(27 * 20, dtype=np.uint8).reshape(20, 27) % 251)
    kinds: list[tuple[str, Any]] = [
        ("JPEG", picture),
        ("PNG", picture.convert("RGBA")),
        ("GIF", picture),
        ("TIFF", picture),
        ("WEBP", picture.convert("RGB")),
        ("BMP", picture),
        ("PPM", picture),
    ]
    return [saved(lambda file, k=k, i=i: i.save(file, k)) for k, i in kinds]


def _zip() -> list[bytes]:
    def write(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in ("a/0.png", "a/1.png", "b/0.png", "metadata.csv"):
                packed.writestr(name, b"x" * 50)

    return [saved(write)]


def _shard() -> list[bytes]:
    arrays = {
        "stop": np.int64(12),
        "embeddings": _X,
        "rows": np.arange(12),
        "skipped": np.frombuffer(b'[[3, "a.png", "why"]]', np.uint8),
    }
    return [saved(lambda file: np.savez(file, **arrays))]


def _manifest() -> list[bytes]:
    record = {"class_names": ["a", "b", "c"], "rows": {"train": 12}, "images": {"source": "files"}}
    return [json.dumps(record, indent=1).encode()]


def _read_database(path: Path) -> None:
    inventory.databases(path.parents[2])
    database.load(path.parents[2], "d", "b")


def _read_manifest(path: Path) -> None:
    np.savez(path.with_name("train.npz"), embeddings=_X, labels=_Y)
    _read_database(path)


def _read_folder(path: Path) -> None:
    for i in range(4):
        place = path.parent / ("data" if path.name == "labels.json" else "")
        place.mkdir(exist_ok=True)
        (place / f"{i}.png").touch()
    image_folder.open_images(path.parent, "photos", split="none")


def _read_image(path: Path) -> None:
    split = ImageSplit(np.zeros(1, np.int64), path.parent, [path.name])
    decode(split, 0)
    decode(split, 0, None, side=8)


def _read_table(path: Path) -> None:
    tables.inspect(path)
    tables.problems(tables.read(path))


def _read_shard(path: Path) -> None:
    folder = path.parent
    for _ in partial.stored(folder, "train"):
        pass
    (folder / "plan.json").write_text("{}")
    inventory.databases(folder.parents[1])


FORMATS: dict[str, Format] = {
    "database": Format(_npz, _read_database, "root/d/b/train.npz"),
    "manifest": Format(_manifest, _read_manifest, "root/d/b/manifest.json"),
    "shard": Format(_shard, _read_shard, "root/d/.b.partial/train-000000000000.npz"),
    "table-npz": Format(_npz, _read_table),
    "table-parquet": Format(_parquet, _read_table, cost=10),  # a process each
    "table-csv": Format(_csv, _read_table),
    "table-feather": Format(_feather, _read_table),
    "table-jsonl": Format(_rows_of_json, _read_table),
    "metadata-csv": Format(_metadata, _read_folder, "photos/metadata.csv"),
    "metadata-jsonl": Format(_json_lines, _read_folder, "photos/metadata.jsonl"),
    "labels-json": Format(_fiftyone, _read_folder, "photos/labels.json"),
    "human-labels": Format(
        _torch, lambda path: human_labels._read(path, ("clean_label", "worse_label"))
    ),
    "image": Format(_images, _read_image, "x.png"),
    "weights-pth": Format(_pth, _read_weights, "w.pth", cost=50),
    "weights-safetensors": Format(_safetensors, _read_weights, "w.safetensors", cost=50),
    "zip": Format(_zip, lambda path: archive.unpack_images(path, path.parent / "images")),
    **state(_images),
}

"""Odd and broken images: what becomes of each, and that nothing else is lost."""

import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.helpers.pictures import Entangled, write_photos
from wann_core.datasets import database, decoding
from wann_core.datasets.decoding import decode
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding.backbones import Pixels
from wann_core.embedding.embed import embed
from wann_core.errors import WannError

RAMP = np.linspace(0, 255, 48 * 32 * 3).reshape(32, 48, 3).astype(np.uint8)
PHOTO = Image.fromarray(RAMP)


def one(folder: Path, name: str) -> ImageSplit:
    return ImageSplit(np.zeros(1, np.int64), folder, [name])


def decoded(path: Path) -> np.ndarray:
    image = decode(one(path.parent, path.name), 0)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize(
    ("name", "image", "options"),
    [
        ("photo.jpg", PHOTO, {"quality": 90}),
        ("progressive.jpg", PHOTO, {"progressive": True}),
        ("gray.jpg", PHOTO.convert("L"), {}),
        ("cmyk.jpg", PHOTO.convert("CMYK"), {}),
        ("cmyk.tif", PHOTO.convert("CMYK"), {}),
        ("photo.png", PHOTO, {}),
        ("palette.png", PHOTO.quantize(16), {}),
        ("bits.png", PHOTO.convert("1"), {}),
        ("photo.webp", PHOTO, {"lossless": True}),
        ("photo.bmp", PHOTO, {}),
        ("dot.png", PHOTO.crop((0, 0, 1, 1)), {}),
        ("opaque.png", PHOTO.convert("RGBA"), {}),
    ],
)
def test_ordinary_images_are_what_convert_makes(
    tmp_path: Path, name: str, image: Image.Image, options: dict[str, object]
) -> None:
    image.save(tmp_path / name, **options)
    with Image.open(tmp_path / name) as stored:
        expected = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(decoded(tmp_path / name), expected)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.pgm"])
def test_16_bit_gray_is_scaled(tmp_path: Path, name: str) -> None:
    values = np.linspace(0, 65535, 1000).astype(np.uint16).reshape(20, 50)
    if name.endswith("pgm"):
        (tmp_path / name).write_bytes(b"P5 50 20 65535\n" + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(tmp_path / name)
    got = decoded(tmp_path / name)
    expected = np.round(values / 257)
    np.testing.assert_array_equal(got, np.stack([expected] * 3, axis=-1))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_white(tmp_path: Path, mode: str) -> None:
    alpha = Image.new("L", PHOTO.size, 255)
    alpha.paste(0, (0, 0, 10, 32))
    if mode == "P":
        image = PHOTO.quantize(16)
        image.paste(3, (0, 0, 10, 32))
        image.save(tmp_path / "clear.png", transparency=3)
        kept = np.asarray(image) != 3
        expected = np.asarray(image.convert("RGB"))
    else:
        image = PHOTO.convert(mode)
        image.putalpha(alpha)
        image.save(tmp_path / "clear.png")
        kept = np.asarray(alpha) > 0
        expected = np.asarray(image.convert("RGB"))
    got = decoded(tmp_path / "clear.png")
    assert (got[~kept] == 255).all() and not kept[:, :10].any()
    np.testing.assert_array_equal(got[kept], expected[kept])


def test_half_transparent_is_blended(tmp_path: Path) -> None:
    Image.new("RGBA", (3, 3), (0, 0, 0, 128)).save(tmp_path / "veil.png")
    np.testing.assert_array_equal(decoded(tmp_path / "veil.png"), np.full((3, 3, 3), 127))


def test_palette_with_bytes_of_transparency(tmp_path: Path) -> None:
    image = PHOTO.quantize(4)
    image.save(tmp_path / "clear.png", transparency=bytes([255, 0, 255, 255]))
    got = decoded(tmp_path / "clear.png")
    assert (got[np.asarray(image) == 1] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["turned.jpg", "turned.png", "turned.tif"])
def test_turned_images_are_upright(tmp_path: Path, orientation: int, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    PHOTO.save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / name) as stored:
        stored.load()
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    assert expected.shape == ((32, 48, 3) if orientation < 5 else (48, 32, 3))
    np.testing.assert_array_equal(decoded(tmp_path / name), expected)


def test_damaged_exif_does_not_cost_the_image(tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "photo.jpg", exif=b"Exif\0\0garbage")
    with Image.open(tmp_path / "photo.jpg") as stored:
        expected = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(decoded(tmp_path / "photo.jpg"), expected)


@pytest.mark.parametrize("name", ["moving.gif", "moving.webp", "moving.png"])
def test_of_an_animation_the_first_frame_counts(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (9, 9), color) for color in ("red", "lime", "blue")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **lossless(name))
    assert (decoded(tmp_path / name) == (255, 0, 0)).all()


def lossless(name: str) -> dict[str, object]:
    return {"lossless": True} if name.endswith("webp") else {}


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def write_bad(folder: Path) -> dict[str, str]:
    """Files that are no usable image, and a word of the reason."""
    PHOTO.save(folder / "whole.jpg")
    PHOTO.save(folder / "whole.png")
    jpeg, png = ((folder / f"whole.{kind}").read_bytes() for kind in ("jpg", "png"))
    (folder / "cut.jpg").write_bytes(jpeg[:-150])
    (folder / "cut.png").write_bytes(png[: len(png) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image at all")
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "program.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (folder / "folder.jpg").mkdir()
    Image.fromarray(np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)).save(
        folder / "float.tif"
    )
    PHOTO.resize((3000, 2)).save(folder / "narrow.png")
    return {
        "cut.jpg": "runcated",
        "cut.png": "",
        "empty.jpg": "empty",
        "text.jpg": "not an image",
        "bomb.png": "decompression bomb",
        "program.jpg": "not an image",
        "folder.jpg": "directory",
        "float.tif": "no known scale",
        "narrow.png": "too narrow",
        "gone.jpg": "does not exist",
    }


def test_unusable_files_say_why(tmp_path: Path) -> None:
    for name, word in write_bad(tmp_path).items():
        with pytest.raises(WannError) as refused:
            decode(one(tmp_path, name), 0)
        assert word in str(refused.value), name
        assert str(tmp_path) not in str(refused.value)


def test_no_program_is_started_for_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow hands PostScript to Ghostscript, whatever the file is called."""

    def started(*args: object, **how: object) -> None:
        pytest.fail(f"a program was started: {args}")

    monkeypatch.setattr("subprocess.Popen.__init__", started)
    monkeypatch.setattr("os.system", started)
    (tmp_path / "eps.png").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n%%EOF\n"
    )
    for side in (None, 160):
        with pytest.raises(WannError, match="not an image"):
            decode(one(tmp_path, "eps.png"), 0, None, side=side)


@pytest.mark.parametrize("side", [None, 160])
def test_a_small_file_of_many_pixels_is_refused(tmp_path: Path, side: int | None) -> None:
    Image.new("1", (9000, 9000)).save(tmp_path / "flat.png")
    assert (tmp_path / "flat.png").stat().st_size < 100_000
    with pytest.raises(WannError, match="9,000 × 9,000 pixels are more than the 67,108,864"):
        decode(one(tmp_path, "flat.png"), 0, side=side)


def test_a_large_jpeg_is_shrunk_while_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PHOTO.save(tmp_path / "photo.jpg", quality=95)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 400)
    image = decode(one(tmp_path, "photo.jpg"), 0)
    assert image.size == (24, 16)
    expected = np.asarray(PHOTO.resize((24, 16), Image.Resampling.BOX), np.float64)
    assert np.abs(np.asarray(image) - expected).max() < 12
    monkeypatch.setattr(decoding, "MAX_PIXELS", 20)
    with pytest.raises(WannError, match="48 × 32 pixels are more than the 20"):
        decode(one(tmp_path, "photo.jpg"), 0)


def test_a_thumbnail_shows_what_the_models_see(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 400 * 200).astype(np.uint16).reshape(200, 400)
    Image.fromarray(values).save(tmp_path / "deep.png")
    small = decode(one(tmp_path, "deep.png"), 0, None, side=100)
    assert (small.mode, small.size) == ("L", (100, 50))
    whole = decode(one(tmp_path, "deep.png"), 0, "L").resize((100, 50), Image.Resampling.BOX)
    assert np.abs(np.asarray(small, np.int64) - np.asarray(whole, np.int64)).max() <= 2
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    clear = np.asarray(decode(one(tmp_path, "clear.png"), 0, None, side=100))
    assert clear.shape == (100, 100, 3) and (clear == 255).all()


def test_waiting_images_are_decoded_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "BUDGET", decoding.Budget(48 * 32))
    for i in range(8):
        PHOTO.save(tmp_path / f"{i}.png")
    split = ImageSplit(np.zeros(8, np.int64), tmp_path, [f"{i}.png" for i in range(8)])
    with ThreadPoolExecutor(4) as pool:
        for image in pool.map(lambda row: decode(split, row), range(8)):
            np.testing.assert_array_equal(np.asarray(image), RAMP)


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[ImageDataset, dict[str, str]]:
    """Twenty photos, and among them ten files that are none."""
    photos = write_photos(tmp_path / "photos")
    train = photos.splits["train"]
    bad = write_bad(train.root)
    files = sorted([*(train.files or ()), *bad], key=lambda name: hash_of(name))
    split = ImageSplit(np.arange(len(files)) % 2, train.root, files)
    return ImageDataset("photos", {**photos.splits, "train": split}, photos.class_names), bad


def hash_of(name: str) -> int:
    return zlib.crc32(name.encode())


def test_bad_images_are_left_out_and_listed_and_no_other(
    mixed: tuple[ImageDataset, dict[str, str]], tmp_path: Path
) -> None:
    images, bad = mixed
    result = embed(images, Pixels(8), tmp_path / "db", batch_size=4)
    assert result.rows == {"train": 20, "test": 6}
    assert {image.file for image in result.skipped} == set(bad)
    files = images.splits["train"].files or ()
    assert all(files[image.row] == image.file for image in result.skipped)
    assert all(bad[image.file] in image.reason for image in result.skipped)
    record = json.loads((result.folder / "manifest.json").read_text())
    assert [entry["file"] for entry in record["skipped"]] == [i.file for i in result.skipped]
    assert set(record["skipped"][0]) == {"split", "row", "file", "reason"}
    train = database.load(tmp_path / "db", "photos", "pixels").train
    assert train.names == tuple(name for name in files if name not in bad)
    np.testing.assert_array_equal(train.ids, [r for r, n in enumerate(files) if n not in bad])
    np.testing.assert_array_equal(train.y, images.splits["train"].labels[train.ids])
    for row, name in enumerate(train.names or ()):
        alone = Pixels(8).embed(
            Pixels(8).prepare(decode(one(images.splits["train"].root, name), 0))[None]
        )
        np.testing.assert_array_equal(train.X[row], alone[0])


def test_under_fail_the_first_bad_image_stops_it_and_mending_goes_on(
    mixed: tuple[ImageDataset, dict[str, str]], tmp_path: Path
) -> None:
    images, bad = mixed
    split = images.splits["train"]
    files = list(split.files or ())
    first = next(row for row, name in enumerate(files) if name in bad)
    with pytest.raises(WannError, match="cannot be read") as refused:
        embed(images, Entangled(), tmp_path / "db", batch_size=1, on_error="fail")
    assert str(split.root / files[first]) in str(refused.value)
    assert refused.value.field == "on_error"
    for name in bad:
        if (split.root / name).is_dir():
            (split.root / name).rmdir()
        PHOTO.save(split.root / name, format="PNG")
    again = Entangled()
    result = embed(images, again, tmp_path / "db", batch_size=1, on_error="fail")
    assert again.embedded == 36 - first
    assert result.skipped == () and result.rows["train"] == 30


def test_after_fail_one_may_skip_but_not_the_other_way_round(
    mixed: tuple[ImageDataset, dict[str, str]], tmp_path: Path
) -> None:
    images, bad = mixed
    with pytest.raises(WannError, match="cannot be read"):
        embed(images, Entangled(), tmp_path / "db", batch_size=2, on_error="fail")

    def stop_late(done: float, total: float, text: str) -> None:
        if done >= 30:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        embed(images, Entangled(), tmp_path / "db", batch_size=2, progress=stop_late)
    with pytest.raises(WannError, match="earlier attempt has left out"):
        embed(images, Entangled(), tmp_path / "db", batch_size=2, on_error="fail")
    assert len(embed(images, Entangled(), tmp_path / "db", batch_size=2).skipped) == len(bad)


def test_a_bad_image_leaves_its_neighbors_in_the_batch_as_they_are(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", test=0)
    train = photos.splits["train"]
    Image.new("RGB", (30, 30)).save(train.root / "0002.jpg")
    with_black = embed(photos, Entangled(), tmp_path / "black", batch_size=4)
    (train.root / "0002.jpg").write_bytes(b"")
    without = embed(photos, Entangled(), tmp_path / "none", batch_size=4)
    both = [
        database.load(result.folder.parents[1], "photos", "entangled").train
        for result in (with_black, without)
    ]
    np.testing.assert_array_equal(np.delete(both[0].X, 2, axis=0), both[1].X)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_one_good_image_is_refused_and_can_be_mended(
    tmp_path: Path, split: str
) -> None:
    photos = write_photos(tmp_path / "photos")
    root = photos.splits[split].root
    originals = {path: path.read_bytes() for path in root.iterdir()}
    for path in originals:
        path.write_bytes(b"")
    with pytest.raises(WannError) as refused:
        embed(photos, Pixels(8), tmp_path / "db")
    assert f"none of the {len(originals)} images" in str(refused.value)
    assert "0000.jpg (the file is empty)" in str(refused.value)
    for path, content in originals.items():
        path.write_bytes(content)
    assert embed(photos, Pixels(8), tmp_path / "db").skipped == ()

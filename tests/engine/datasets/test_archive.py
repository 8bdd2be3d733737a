import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wann_core.datasets.sources import archive
from wann_core.datasets.sources.archive import Report, unpack_images
from wann_core.errors import WannError


def picture(seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


PNG = picture()


def pack(
    tmp_path: Path, entries: dict[str, bytes] | list[tuple[Any, bytes]], **options: Any
) -> Path:
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w", **options) as packed:
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            packed.writestr(name, content)
    return path


def unpack(path: Path, **options: Any) -> Report:
    return unpack_images(path, path.parent / "images", **options)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refuse(path: Path, message: str, **options: Any) -> None:
    """The archive is refused in one sentence and leaves nothing behind."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(WannError, match=message) as refused:
        unpack(path, **options)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400
    assert sorted(path.parent.rglob("*")) == before


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_images_and_tables_come_out_and_the_rest_is_reported(tmp_path: Path, method: int) -> None:
    good = {
        "cat/1.png": PNG,
        "cat/2.JPG": picture(2),
        "dog/ü é.webp": picture(3),
        "metadata.csv": b"file_name,label\n",
        "dog/metadata.jsonl": b"{}",
    }
    other = {
        "__MACOSX/cat/._1.png": b"x",
        ".DS_Store": b"x",
        "cat/.hidden.png": b"x",
        ".git/a.png": b"x",
        "readme.txt": b"x",
        "run.exe": b"x",
        "other.csv": b"x",
    }
    steps: list[tuple[float, float]] = []
    path = pack(tmp_path, {"empty/": b"", **good, **other}, compression=method)
    report = unpack(path, progress=lambda done, total, text: steps.append((done, total)))
    size = sum(map(len, good.values()))
    assert files(tmp_path / "images") == good
    assert (report.folder, report.images, report.metadata) == (tmp_path / "images", 3, 2)
    assert report.nbytes == size
    assert sorted(name for name, _ in report.skipped) == sorted(other)
    assert dict(report.skipped)["run.exe"] == "not an image"
    assert dict(report.skipped)["cat/.hidden.png"] == "hidden"
    assert steps == sorted(steps) and steps[-1] == (size, size) and len(steps) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images", "upload.zip"]


def test_a_single_folder_on_top_is_left_out(tmp_path: Path) -> None:
    path = pack(tmp_path, {"birds/a/1.png": PNG, "birds/b/2.png": PNG, "__MACOSX/x": b""})
    unpack(path)
    assert sorted(files(tmp_path / "images")) == ["a/1.png", "b/2.png"]


@pytest.mark.parametrize("top", ["train", "Testing", "unlabelled"])
def test_the_folder_of_a_split_stays(tmp_path: Path, top: str) -> None:
    unpack(pack(tmp_path, {f"{top}/a/1.png": PNG}))
    assert list(files(tmp_path / "images")) == [f"{top}/a/1.png"]


def test_two_folders_or_a_file_on_top_stay(tmp_path: Path) -> None:
    entries = {"a/1.png": PNG, "1.png": PNG}
    unpack(pack(tmp_path, entries))
    assert files(tmp_path / "images") == entries


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "a/../../evil.png",
        "/nowhere/evil.png",
        "//host/evil.png",
        "..\\evil.png",
        "a\\b.png",
        "C:/evil.png",
        "c:evil.png",
        "a/..",
        "evil\n.png",
        "../evil.txt",
        "__MACOSX/../../evil.png",
    ],
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    refuse(pack(tmp_path / "in", {"ok.png": PNG, name: PNG}), "must be relative")
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_name_cut_at_nul_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path, {"ok.png": PNG, "evil.pngX.png": PNG})
    path.write_bytes(path.read_bytes().replace(b"evil.pngX", b"evil.png\0"))
    refuse(path, "must be relative|cannot be read")


def test_a_name_longer_than_a_file_system_takes_is_refused(tmp_path: Path) -> None:
    refuse(pack(tmp_path, {"ok.png": PNG, "é" * 130 + ".png": PNG}), "too long")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_left_out(tmp_path: Path, kind: int) -> None:
    odd = zipfile.ZipInfo("link.png")
    odd.create_system = 3
    odd.external_attr = (kind | 0o777) << 16
    report = unpack(pack(tmp_path, [("ok.png", PNG), (odd, b"/etc/passwd")]))
    assert report.skipped == (("link.png", "not a plain file"),)
    assert list(files(tmp_path / "images")) == ["ok.png"]
    refuse(pack(tmp_path / "images", [(odd, b"/etc/passwd")]), "no image")


def test_what_comes_out_is_never_executable_or_linked(tmp_path: Path) -> None:
    odd = zipfile.ZipInfo("a.png")
    odd.external_attr = (stat.S_IFREG | 0o6777) << 16
    unpack(pack(tmp_path, [(odd, PNG)]))
    assert not (tmp_path / "images" / "a.png").stat().st_mode & 0o7111


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.png", "A.png"], "twice"),
        (["a/x.png", "./a/x.png"], "twice"),
        (["a/x.png", "a//x.png"], "twice"),
        (["\u00e9.png", "e\u0301.png"], "twice"),
        (["top/a.png", "TOP/a.png"], "twice"),
        (["x/a.png", "x/a.png/b.png", "y.png"], "is a file and a folder"),
    ],
)
def test_entries_that_mean_the_same_file(tmp_path: Path, names: list[str], message: str) -> None:
    refuse(pack(tmp_path, dict.fromkeys(names, PNG)), message)


def test_the_same_name_twice(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = pack(tmp_path, [("a.png", PNG), ("a.png", b"other")])
    refuse(path, "twice")


# What is too much


def test_bombs_are_refused_before_and_while_they_unpack(tmp_path: Path) -> None:
    path = pack(tmp_path, {"a.bmp": bytes(64 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    refuse(path, "grows more than 200 times")
    refuse(path, "at most 1,000,000 bytes", max_bytes=1_000_000)
    report = unpack(path, max_ratio=2000)
    assert report.nbytes == 64 << 20


def test_many_small_bombs_count_together_before_any_is_written(tmp_path: Path) -> None:
    entries = {f"{i}.bmp": bytes(4 << 20) for i in range(10)}
    path = pack(tmp_path, entries, compression=zipfile.ZIP_DEFLATED)
    refuse(path, "zip file' grows more", progress=lambda *_: pytest.fail("it was unpacked"))


@pytest.mark.parametrize("number", [1, 10])
def test_what_really_comes_out_is_counted_whatever_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(archive._Limits, "check_declared", lambda *_: None)
    entries = {f"{i}.bmp": bytes((40 << 20) // number) for i in range(number)}
    path = pack(tmp_path, entries, compression=zipfile.ZIP_DEFLATED)
    refuse(path, "grows more than 200 times")
    refuse(path, "at most 1,000,000 bytes", max_bytes=1_000_000)


def test_limits_are_inclusive(tmp_path: Path) -> None:
    path = pack(tmp_path, {"a.png": PNG, "b.png": PNG, "c.txt": b"x"})
    refuse(path, "at most 2 entries", max_files=2)
    refuse(path, "bytes", max_bytes=2 * len(PNG) - 1)
    assert unpack(path, max_files=3, max_bytes=2 * len(PNG)).images == 2


def lie_about_size(path: Path, size: int) -> None:
    """Declare another unpacked size of the only entry, in both places."""
    raw = bytearray(path.read_bytes())
    raw[22:26] = struct.pack("<I", size)
    place = raw.index(b"PK\1\2")
    raw[place + 24 : place + 28] = struct.pack("<I", size)
    path.write_bytes(raw)


def test_a_declared_size_that_lies_gives_nothing(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(50_000)
    for size in (10, 49_999):
        path = pack(tmp_path, {"a.png": content}, compression=zipfile.ZIP_DEFLATED)
        lie_about_size(path, size)
        refuse(path, "cannot be read as a zip file")


def test_entries_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path, {"a.png": PNG, "b.png": PNG})
    raw = bytearray(path.read_bytes())
    second = raw.index(b"PK\1\2", raw.index(b"PK\1\2") + 1)
    name = raw[second + 46 : second + 51]
    assert name == b"b.png"
    # The second entry of the directory points into the first one.
    raw[second + 42 : second + 46] = struct.pack("<I", 0)
    path.write_bytes(raw)
    refuse(path, "overlaps")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, method: int) -> None:
    refuse(pack(tmp_path, {"a.png": PNG}, compression=method), "stored or deflated")


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path, {"a.png": PNG})
    raw = bytearray(path.read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(raw)
    refuse(path, "not encrypted")


# All or nothing


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-30], "cannot be read as a zip"),
        (lambda raw: raw.replace(PNG[20:40], b"?" * 20, 1), "cannot be read as a zip"),
        (lambda raw: b"", "cannot be read as a zip"),
        (lambda raw: PNG, "cannot be read as a zip"),
        (lambda raw: raw.replace(b"z.png", b"z.txt").replace(b"a.png", b"a.txt"), "no image"),
    ],
)
def test_damage_leaves_nothing(
    tmp_path: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    path = pack(tmp_path, {"z.png": picture(9), "a.png": PNG})
    path.write_bytes(damage(path.read_bytes()))
    refuse(path, message)


def test_random_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    whole = pack(tmp_path, {"z.png": picture(9), "d/a.png": PNG}).read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for turn in range(300):
        raw = np.frombuffer(whole, np.uint8).copy()
        tail = turn % 2 * (len(raw) - 200)  # every other one in the directory
        raw[rng.integers(tail, len(raw), 2)] = rng.integers(0, 256, 2)
        folder = tmp_path / str(turn)
        folder.mkdir()
        (folder / "upload.zip").write_bytes(raw.tobytes())
        try:
            unpack(folder / "upload.zip")
        except WannError:
            refused += 1
            assert [p.name for p in folder.iterdir()] == ["upload.zip"]
        else:
            assert set(files(folder / "images").values()) <= {PNG, picture(9)}
    assert refused > 50


def test_a_stop_by_progress_leaves_nothing(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: float, total: float, text: str) -> None:
        if done > len(PNG):
            raise Stop

    path = pack(tmp_path, {"a.png": PNG, "b.png": PNG, "c.png": PNG})
    with pytest.raises(Stop):
        unpack(path, progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["upload.zip"]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    path = pack(tmp_path, {"a.png": PNG})
    (tmp_path / "images").mkdir()
    refuse(path, "exists already; choose another name")
    refuse(tmp_path / "none.zip", "exists already")
    (tmp_path / "images").rmdir()
    refuse(tmp_path / "none.zip", "does not exist")


@pytest.mark.parametrize(
    ("name", "reason"), [("", "must be relative"), ("a/" * 2000 + "x.png", "more than 64 deep")]
)
def test_odd_names_of_entries_are_one_error(tmp_path: Path, name: str, reason: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
        archive.writestr("a/y.png", b"x")
    with pytest.raises(WannError, match=reason):
        unpack_images(tmp_path / "a.zip", tmp_path / "images")
    assert not (tmp_path / "images").exists()

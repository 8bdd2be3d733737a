"""Image files as models and pages want them: upright, 8 bits a channel, RGB or gray.

What `PIL.Image.open(file).convert("RGB")` does right is left to it. Beyond that, images are turned
as their EXIF orientation requires, 16-bit gray is scaled instead of clipped, what is transparent
lies on white, and of an animation the first frame counts.

Pixels are bounded before they are decoded: `MAX_PIXELS` an image, and no more for all threads of
the process together. A pixel takes 16 bytes at most, so decoding takes `MAX_BYTES`.
"""

import contextlib
import threading
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wann_core.datasets.images import ImageSplit
from wann_core.errors import WannError

# Larger files are refused, but for JPEG, which is decoded at a half, a quarter or an eighth.
MAX_PIXELS = 1 << 26
# What is transparent is there four times at once: as stored, the white below it, both together,
# and the answer.
MAX_BYTES = 16 * MAX_PIXELS
# Models resize the short side to some hundred pixels: beyond this the long side explodes.
_MAX_ASPECT = 200
_ORIENTATION = 0x0112
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_GRAY = ("1", "L", "LA", "La")
# Modes of which Pillow averages blocks of pixels.
_REDUCIBLE = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr")


class Budget:
    """Pixels that may be decoded at once; who asks for more than are left waits."""

    def __init__(self, pixels: int) -> None:
        self._left = pixels
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until this many pixels are free, and take them for the time of the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= pixels)
            self._left -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._left += pixels
                self._changed.notify_all()


BUDGET = Budget(MAX_PIXELS)


def decode(
    split: ImageSplit, row: int, mode: str | None = "RGB", *, side: int | None = None
) -> Image.Image:
    """One image, decoded and upright.

    Parameters
    ----------
    split : ImageSplit
    row : int
    mode : {'RGB', 'L', None}
        None: gray images stay gray ('L'), others become 'RGB'.
    side : int, optional
        Make it fit into a square of this many pixels, decoding no more of it than need be.

    Raises
    ------
    WannError
        If it cannot be; the message is the reason alone, without the image's name.
    """
    with decoded(split, row, mode, side=side) as image:
        return image


@contextlib.contextmanager
def decoded(
    split: ImageSplit, row: int, mode: str | None = "RGB", *, side: int | None = None
) -> Iterator[Image.Image]:
    """`decode`, with the memory of the image counted until the end of the context."""
    try:
        image = split.open(row)
    except Exception as error:
        raise _refusal(split, row, error) from error
    with image:
        try:
            pixels = _fit(image, side)
        # Out of Pillow's readers damaged files bring many exceptions, by far not OSError alone.
        except Exception as error:
            raise _refusal(split, row, error) from error
        with BUDGET.hold(pixels):
            try:
                made = _decoded(image, mode, side)
                if side is not None:
                    made.thumbnail((side, side))
            except Exception as error:
                raise _refusal(split, row, error) from error
            yield made


def _fit(image: Image.Image, side: int | None) -> int:
    """Choose how much of an image is decoded; the number of pixels that makes.

    Raises
    ------
    WannError
        If they are too many, or the image is too narrow.
    """
    if side is None and max(image.size) > _MAX_ASPECT * min(image.size):
        raise WannError(f"{image.width} × {image.height} pixels are too narrow", "images")
    stored = image.size
    if side is not None:
        image.draft(None, (side, side))
    elif image.width * image.height > MAX_PIXELS:
        shrink = 1 + int((image.width * image.height / MAX_PIXELS) ** 0.5)
        image.draft(None, (image.width // shrink, image.height // shrink))
    if image.width * image.height > MAX_PIXELS:
        raise WannError(
            f"{stored[0]:,} × {stored[1]:,} pixels are more than the {MAX_PIXELS:,} that are "
            "decoded",
            "images",
        )
    return image.width * image.height


def _decoded(image: Image.Image, mode: str | None, side: int | None) -> Image.Image:
    image.load()
    mode = mode or ("L" if image.mode in _GRAY or image.mode.startswith("I") else "RGB")
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    # All that follows copies the image. Twice the size that is asked for is left to `thumbnail`.
    blocks = 1 if side is None else max(image.size) // (2 * side)
    if blocks > 1 and image.mode in _REDUCIBLE and "transparency" not in image.info:
        image = image.reduce(blocks)
    if image.mode.startswith("I") or image.mode == "F":
        image = _from_wide(image)
    elif image.mode in _TRANSPARENT or "transparency" in image.info:
        image = _on_white(image)
    return image.convert(mode)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    # The pixels are fine; a damaged EXIF block is as good as none.
    except Exception:
        return 1


def _from_wide(image: Image.Image) -> Image.Image:
    """16-bit gray to 8 bits by division: `convert` would clip at 255."""
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode == "F" or low < 0 or high > 65535:
        raise WannError(
            f"pixel values from {low:g} to {high:g} ({image.mode}) have no known scale", "images"
        )
    # 257 maps 65535 to 255.
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    # Pillow gets from these modes to RGBA through another one only.
    between = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)
    rgba = (image.convert(between) if between else image).convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba)


def _refusal(split: ImageSplit, row: int, error: Exception) -> WannError:
    return (
        error if isinstance(error, WannError) else WannError(_reason(split, row, error), "images")
    )


def _reason(split: ImageSplit, row: int, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    if isinstance(error, UnidentifiedImageError):
        empty = split.files is not None and not (split.root / split.files[row]).stat().st_size
        return "the file is empty" if empty else "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

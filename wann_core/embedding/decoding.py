"""Image files as models want them: upright, 8 bits a channel, RGB or gray.

What `PIL.Image.open(file).convert("RGB")` does right is left to it. Beyond that, images are turned
as their EXIF orientation says, 16-bit gray is scaled instead of clipped, what is transparent
lies on white, and of an animation the first frame counts.
"""

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wann_core.datasets.images import ImageSplit
from wann_core.errors import WannError

# Models resize the short side to some hundred pixels: beyond this the long side explodes.
_MAX_ASPECT = 200
_ORIENTATION = 0x0112
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")


def decode(split: ImageSplit, row: int, mode: str = "RGB") -> Image.Image:
    """One image, decoded, upright, of `mode` 'RGB' or 'L'.

    Raises
    ------
    WannError
        If it cannot be; the message is the reason alone, without the image's name.
    """
    try:
        with split.open(row) as image:
            return _decoded(image, mode)
    except WannError:
        raise
    # Out of Pillow's readers damaged files bring many exceptions, by far not OSError alone.
    except Exception as error:
        raise WannError(_reason(split, row, error), "images") from error


def _decoded(image: Image.Image, mode: str) -> Image.Image:
    if image.format == "EPS":
        raise WannError("an EPS file is a program, which is not run here", "images")
    if max(image.size) > _MAX_ASPECT * min(image.size):
        raise WannError(f"{image.width} × {image.height} pixels are too narrow", "images")
    image.load()
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
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


def _reason(split: ImageSplit, row: int, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    if isinstance(error, UnidentifiedImageError):
        empty = split.files is not None and not (split.root / split.files[row]).stat().st_size
        return "the file is empty" if empty else "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

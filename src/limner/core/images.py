"""Reading pictures that strangers hand in, writing the ones Limner makes.

Whatever the file holds, ``read_image`` gives RGB uint8 or raises ``ImageError``; sizes are checked in the header,
before a single pixel is decoded.
"""

import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from limner.core.errors import ImageError, ImageTooLargeError
from limner.core.files import replacing

MAX_PIXELS = 50_000_000
"""Largest picture read by default; a full-frame camera makes 24 to 45 million pixels."""
MAX_SIDE = 16_384
"""Longest side read, in pixels."""
MIN_SIDE = 8
"""Shortest side read, in pixels; nothing can be seen on less."""
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""Decoders that strangers' bytes may reach."""
REMEDY = "give one photo as JPEG, PNG, WebP, TIFF, BMP or GIF"

ImageSource = str | os.PathLike[str] | bytes | Image.Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
_WARNING_FILTERS = threading.Lock()


def read_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read one still picture, upright.

    EXIF orientation is applied, transparency is laid over white, grey, palette, CMYK and 16-bit pictures are
    converted (16 bits are scaled, not cut off).

    Args:
        source: a path, the bytes of a file, or a PIL picture (left unchanged).
        max_pixels: largest width times height.

    Returns:
        RGB uint8 ``(height, width, 3)``.

    Raises:
        ImageTooLargeError: it has too many pixels.
        ImageError: it is missing, unreadable, animated, or smaller than 8 px.
    """
    name = _name(source)
    with _quiet():
        if isinstance(source, Image.Image):
            return _decode(source, name, max_pixels)
        stream = BytesIO(source) if isinstance(source, bytes) else _open_file(Path(source))
        with stream, _open(stream, name) as image:
            return _decode(image, name, max_pixels)


def write_png(
    path: str | os.PathLike[str], image: np.ndarray | Image.Image, *, text: Mapping[str, str] | None = None
) -> None:
    """Write a PNG, whole or not at all; the same picture and text give the same bytes.

    Args:
        path: the file to write; missing folders are made.
        image: RGB uint8 ``(height, width, 3)`` or a PIL picture.
        text: remarks stored in the file by keyword.

    Raises:
        InputError: the file cannot be written.
    """
    data = encode_png(image, text=text)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def encode_png(image: np.ndarray | Image.Image, *, text: Mapping[str, str] | None = None) -> bytes:
    """The bytes that :func:`write_png` writes."""
    info = PngInfo()
    for key, value in sorted((text or {}).items()):
        info.add_itxt(key, value)
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = BytesIO()
    picture.convert("RGB").save(stream, format="PNG", pnginfo=info)
    return stream.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's remarks about odd files to itself: either the picture is read, or our error says why not.

    The filters of ``warnings`` belong to the process, so only one thread at a time may change them.
    """
    with _WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _name(source: ImageSource) -> str:
    if isinstance(source, bytes):
        return f"the given {len(source)} bytes"
    if isinstance(source, Image.Image):
        return f"the given {source.mode} picture"
    return str(Path(source))


def _open_file(path: Path) -> BinaryIO:
    if not os.path.exists(path):  # unlike ``Path.exists``, never raises
        raise ImageError(f"{path}: there is no such file; check the name")
    if not os.path.isfile(path):
        raise ImageError(f"{path} is not a file; {REMEDY}")
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"{path} cannot be opened ({error.strerror}); check its permissions") from error


def _open(stream: BinaryIO, name: str) -> Image.Image:
    """Read the header only."""
    try:
        return Image.open(stream, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"{name} has far too many pixels; {_shrink(MAX_PIXELS)}") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not a picture that Limner can read; {REMEDY}") from error
    except Exception as error:  # decoders raise anything from struct.error to SyntaxError on mangled headers
        raise ImageError(f"{name} has a broken header ({error}); {REMEDY}") from error


def _decode(image: Image.Image, name: str, max_pixels: int) -> np.ndarray:
    _check_size(image, name, max_pixels)
    try:
        # "MPO" is a phone's JPEG with previews behind the photo, which comes first.
        if getattr(image, "is_animated", False) and image.format != "MPO":
            raise ImageError(f"{name} has several frames or pages; give a single still picture")
        image.load()
        turn = _TURNS.get(image.getexif().get(_ORIENTATION_TAG, 1))  # after loading: some formats turn by themselves
        rgb = _to_rgb(image, name)
        upright = rgb if turn is None else rgb.transpose(turn)
    except ImageError:
        raise
    except Exception as error:  # decoders raise anything on mangled data
        raise ImageError(f"{name} is damaged or cut short ({error}); export or download it again") from error
    return np.array(upright)


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise ImageTooLargeError(f"{name} is {width} x {height} pixels; {_shrink(max_pixels)}")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} is {width} x {height} pixels; at least {MIN_SIDE} on each side are needed")


def _shrink(max_pixels: int) -> str:
    return f"make it smaller: at most {max_pixels / 1e6:g} million pixels and {MAX_SIDE} on a side"


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _from_sixteen_bits(np.asarray(image).astype(np.int64), name)
    if image.mode == "F":
        raise ImageError(f"{name} holds measurements (floats) without a defined white; save it as 8 or 16 bits")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        white = Image.new("RGBA", layers.size, "white")
        return Image.alpha_composite(white, layers).convert("RGB")
    return image.convert("RGB")


def _from_sixteen_bits(values: np.ndarray, name: str) -> Image.Image:
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(f"{name} holds values outside 0..65535; save it as 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")

"""Whatever strangers hand in, out comes RGB uint8 or an ImageError that says what to do."""

import struct
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.core.errors import ImageError, InputError
from limner.core.images import ImageSource, read_image, write_png

HEIGHT, WIDTH = 24, 40
ORIENTATION = 0x0112


def _picture(mode: str = "RGB") -> Image.Image:
    """Left half red, right half blue, the top quarter white."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2, 0] = 255
    pixels[:, WIDTH // 2 :, 2] = 255
    pixels[: HEIGHT // 4] = 255
    return Image.fromarray(pixels).convert(mode)


def _bytes(image: Image.Image, format: str = "PNG", **options) -> bytes:
    stream = BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_header(width: int, height: int) -> bytes:
    """A PNG that promises pixels and holds none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG"])
def test_formats(format: str) -> None:
    image = read_image(_bytes(_picture(), format, **({"lossless": True} if format == "WEBP" else {})))
    assert image.dtype == np.uint8
    difference = np.abs(image.astype(int) - np.asarray(_picture()))[8:, :16]
    assert difference.max() <= (16 if format == "JPEG" else 0)


def test_paths_bytes_and_pictures_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "me.png"
    path.write_bytes(_bytes(_picture()))
    expected = np.asarray(_picture())
    for source in (path, str(path), path.read_bytes(), _picture()):
        assert np.array_equal(read_image(source), expected)


def test_what_is_read_may_be_written_to() -> None:
    assert read_image(_picture()).flags.writeable


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "I;16"])
def test_modes_become_rgb(mode: str) -> None:
    if mode == "I;16":
        given_picture = Image.fromarray(np.asarray(_picture("L")).astype(np.uint16) * 257)
    elif mode == "I":
        given_picture = Image.fromarray(np.asarray(_picture("L")).astype(np.int32) * 257)
    else:
        given_picture = _picture("RGBA" if mode == "PA" else "RGB").convert(mode)
    assert given_picture.mode == mode
    expected = _picture("L" if mode in {"L", "1", "LA", "I", "I;16"} else "RGB").convert("RGB")
    # The palette quantises, "1" dithers: there only the white top is exact.
    rows = slice(0, 4) if mode in {"1", "P", "PA"} else slice(None)
    difference = np.abs(read_image(given_picture)[rows].astype(int) - np.asarray(expected)[rows])
    assert difference.max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_once(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = _picture().transpose(undo[orientation]) if orientation in undo else _picture()
    image = read_image(_bytes(stored, format, exif=exif)).astype(int)
    assert np.abs(image - np.asarray(_picture())).mean() < 16


def test_transparency_is_laid_over_white() -> None:
    image = _picture("RGBA")
    image.putalpha(0)
    assert (read_image(_bytes(image)) == 255).all()
    half = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 128))
    assert (read_image(_bytes(half)) == 127).all()


def test_a_transparent_palette_colour_turns_white() -> None:
    image = _picture("P")
    assert (read_image(_bytes(image, transparency=image.getpixel((0, HEIGHT - 1))))[-1, 0] == 255).all()


def test_sixteen_bits_are_scaled_not_cut_off() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    image = read_image(_bytes(Image.fromarray(ramp)))
    assert np.abs(image[..., 0].reshape(-1).astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("values", [np.full((16, 16), 70000, np.int32), np.full((16, 16), 0.5, np.float32)])
def test_measurements_are_refused(values: np.ndarray) -> None:
    with pytest.raises(ImageError, match="save it as 8 or 16 bits"):
        read_image(_bytes(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    data = _bytes(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="several frames or pages; give a single still picture"):
        read_image(data)


def test_a_phone_photo_with_a_preview_behind_it_is_read() -> None:
    data = _bytes(_picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))])
    assert read_image(data).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("size", [(40_000, 40_000), (10_000, 10_000), (7_072, 7_072), (20_000, 100)])
def test_size_is_refused_from_the_header(size: tuple[int, int]) -> None:
    header = _png_header(*size)
    tracemalloc.start()
    with pytest.raises(ImageError, match="make it smaller: at most 50 million pixels"):
        read_image(header)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_the_cap_can_be_set() -> None:
    assert read_image(_picture(), max_pixels=HEIGHT * WIDTH).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ImageError, match="40 x 24 pixels"):
        read_image(_picture(), max_pixels=HEIGHT * WIDTH - 1)


def _file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "me.jpg"
    path.write_bytes(data)
    return path


def test_a_good_photo_with_broken_exif_is_read_without_a_warning() -> None:
    broken = b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01\x03\0\x01\0\0\0\x06\0"
    assert read_image(_bytes(_picture(), "JPEG", exif=broken)).shape[2] == 3


def test_threads_do_not_disturb_the_filters_of_warnings() -> None:
    filters = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(read_image, [_bytes(_picture())] * 200))
    assert len(images) == 200
    assert list(warnings.filters) == filters


@pytest.mark.parametrize("damage", [ValueError("not enough image data"), SyntaxError("broken"), MemoryError()])
def test_whatever_a_decoder_raises_becomes_an_image_error(damage: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = _picture()
    monkeypatch.setattr(picture, "load", Mock(side_effect=damage))
    with pytest.raises(ImageError, match="the given RGB picture is damaged or cut short"):
        read_image(picture)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a picture that Limner can read; give one photo as JPEG"),
        (b"Dear reader, this is text.\n" * 50, "not a picture that Limner can read; give one photo as JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n", "not a picture that Limner can read"),
        (_bytes(_picture(), "JPEG")[:-200], "damaged or cut short"),
        (_bytes(_picture())[:-30], "damaged or cut short"),
        (_bytes(Image.new("RGB", (1, 1))), "1 x 1 pixels; at least 8 on each side are needed"),
    ],
)
def test_bad_files_are_named_with_a_remedy(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=f"me.jpg .*{message}"):
        read_image(_file(tmp_path, data))


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=f"{tmp_path.name} is not a file; give one photo"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match=r"me.jpg: there is no such file; check the name"):
        read_image(tmp_path / "me.jpg")
    with pytest.raises(ImageError, match="there is no such file"):
        read_image("x" * 5000)


SEEDS = [
    _bytes(_picture(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    _bytes(_picture()),
    _bytes(_picture("P"), transparency=3),
    _bytes(_picture("P"), "GIF"),
    _bytes(_picture(), "TIFF", compression="tiff_lzw"),
    _bytes(_picture("CMYK"), "TIFF"),
    _bytes(_picture("RGBA"), "WEBP"),
    _bytes(_picture(), "BMP"),
    _bytes(_picture(), "PPM"),
]


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 0.999), st.binary(max_size=4)), max_size=6),
    keep=st.floats(0.05, 1),
)
def test_mangled_bytes_give_a_picture_or_an_image_error(
    seed: bytes, edits: list[tuple[float, bytes]], keep: float
) -> None:
    data = bytearray(seed)
    for where, new in edits:
        # Headers are short and decide most, so every other edit falls into the first bytes.
        start = int(where * len(data)) if len(new) % 2 else int(where * min(len(data), 120))
        data[start : start + len(new)] = new
    _read_or_refuse(bytes(data[: int(keep * len(data))]))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    _read_or_refuse(data)


def _read_or_refuse(source: ImageSource) -> None:
    try:
        image = read_image(source)
    except ImageError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_written_pictures_come_back_with_their_text(tmp_path: Path) -> None:
    path = tmp_path / "out" / "portrait.png"
    pixels = np.random.default_rng(7).integers(0, 256, (9, 13, 3), np.uint8)
    write_png(path, pixels, text={"prompt": "a photo of Ålma", "seed": "7"})
    assert np.array_equal(read_image(path), pixels)
    with Image.open(path) as image:
        assert image.text == {"prompt": "a photo of Ålma", "seed": "7"}  # pyright: ignore[reportAttributeAccessIssue]


def test_the_same_picture_and_text_give_the_same_bytes(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", _picture(), text={"seed": "7", "prompt": "x"})
    write_png(tmp_path / "b.png", np.asarray(_picture()), text={"prompt": "x", "seed": "7"})
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_writing_into_a_file_as_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose a folder you may write to"):
        write_png(tmp_path / "file" / "a.png", _picture())

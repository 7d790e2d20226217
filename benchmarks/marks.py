"""Is the watermark found again, how much does it change, and does it see what is not there?

    python benchmarks/marks.py                               # Limner's own: 500 pictures, about ten minutes
    python benchmarks/marks.py --rivagan imwatermark --pictures 30 --sizes 128 --sizes 256

The second needs the unpacked wheel of invisible-watermark 0.2.0 (its folder imwatermark/); nothing of it is installed:
pip download --no-deps invisible-watermark==0.2.0. Marked are generated people of /var/limner/people/shards and, harder,
the photos of imagenet-samples; unmarked are all photos of ../shared/data.
"""

import csv
import io
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from limner.apps.tables import print_table
from limner.core.images import read_image
from limner.trust.spread import SpreadSpectrum
from limner.trust.watermark import PAYLOAD_BITS, Watermark

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SHARDS = Path("/var/limner/people/shards")
TEXTURES = "imagenet-samples"
SEED = 20261123
GOALS = ("JPEG 80", "half size")
Change = Callable[[Image.Image], Image.Image]


def jpeg(quality: int) -> Change:
    """Save and open again, colours at half resolution as usual."""

    def change(picture: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        picture.save(stream, format="JPEG", quality=quality)
        return Image.open(stream).convert("RGB")

    return change


def scaled(factor: float, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Change:
    """Another size."""
    return lambda picture: picture.resize((round(picture.width * factor), round(picture.height * factor)), resample)


def halved_and_compressed(picture: Image.Image) -> Image.Image:
    """Both goals at once."""
    return jpeg(80)(scaled(0.5)(picture))


CHANGES: dict[str, Change] = {
    "none": lambda picture: picture,
    "JPEG 80": jpeg(80),
    "JPEG 50": jpeg(50),
    "half size": scaled(0.5),
    "half, box": scaled(0.5, Image.Resampling.BOX),
    "half, bilinear": scaled(0.5, Image.Resampling.BILINEAR),
    "half, nearest": scaled(0.5, Image.Resampling.NEAREST),
    "half + JPEG 80": halved_and_compressed,
    "double size": scaled(2.0),
    "cropped 5 %": lambda picture: picture.crop((picture.width // 20, picture.height // 20, *picture.size)),
}


class RivaGan:
    """The networks inside the wheel of invisible-watermark, 32 bits; found means at most 3 of them wrong.

    The chance to be that near to a given word is 1e-6; with it the false alarms of the other codec are comparable.
    """

    name = "RivaGAN"
    false_alarm = sum((1, 32, 496, 4960)) / 2**32

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        networks = [folder / f"rivagan_{part}.onnx" for part in ("encoder", "decoder")]
        self._encoder, self._decoder = (
            onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in networks
        )
        self._payload = 0

    def embed(self, image: np.ndarray, payload: int) -> np.ndarray:
        self._payload = payload
        output = self._encoder.run(None, {"frame": _frame(image), "data": self._bits()[None].astype(np.float32)})[0]
        picture = np.asarray(output)[0, :, 0].transpose(1, 2, 0)
        return np.rint((np.clip(picture, -1, 1) + 1) * 127.5).astype(np.uint8)

    def read(self, image: np.ndarray) -> int | None:
        told = np.asarray(self._decoder.run(None, {"frame": _frame(image)})[0])[0] > 0.52
        return self._payload if (told != self._bits()).sum() <= 3 else None

    def _bits(self) -> np.ndarray:
        return np.array([self._payload * 251 >> place & 1 for place in range(32)], bool)


def _frame(image: np.ndarray) -> np.ndarray:
    return (image.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None, :, None]


def pictures(folder: Path, pattern: str = "*.tar") -> Iterator[np.ndarray]:
    """Every picture in a folder's archives or, where there are none, its files."""
    for path in sorted(folder.glob(pattern)):
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name.endswith((".jpg", ".png")) else None
                if file is not None:
                    yield read_image(file.read())
    for path in sorted((*folder.glob("*.jpg"), *folder.glob("*.png"))):
        yield read_image(path)


def square(image: np.ndarray, pixels: int) -> np.ndarray:
    """A picture of one size."""
    return np.asarray(Image.fromarray(image).resize((pixels, pixels), Image.Resampling.LANCZOS))


def measure(mark: Watermark, images: Sequence[np.ndarray]) -> tuple[Counter[str], np.ndarray, float]:
    """How often the right number was read after each change, the PSNR of each picture, seconds to mark one."""
    numbers = np.random.default_rng(SEED).integers(0, 1 << PAYLOAD_BITS, len(images))
    found: Counter[str] = Counter()
    distances, seconds = [], 0.0
    for image, number in zip(images, map(int, numbers), strict=True):
        started = time.perf_counter()
        marked = mark.embed(image, number)
        seconds += time.perf_counter() - started
        distances.append(10 * np.log10(255**2 / np.mean((marked.astype(float) - image) ** 2)))
        for name, change in CHANGES.items():
            found[name] += mark.read(np.asarray(change(Image.fromarray(marked)))) == number
    return found, np.array(distances), seconds / len(images)


def false_alarms(mark: Watermark, folders: Sequence[Path], limit: int) -> list[list[object]]:
    """By folder: photos; of how many a number was read as they are, as JPEG 80, at half the size; share of any."""
    rows: list[list[object]] = []
    total: Counter[str] = Counter()
    for folder in folders:
        count: Counter[str] = Counter()
        for image in islice(pictures(folder), limit):
            read = {name: mark.read(np.asarray(CHANGES[name](Image.fromarray(image)))) for name in ("none", *GOALS)}
            alarms = [name for name, number in read.items() if number is not None]
            count.update(["photos", *alarms, *(["any"] if alarms else [])])
        total += count
        rows.append(_alarm_row(folder.name, count))
    return [*rows, _alarm_row("all", total)]


def _alarm_row(name: str, count: Counter[str]) -> list[object]:
    numbers = [count[column] for column in ("photos", "none", *GOALS, "any")]
    return [name, *numbers, f"{100 * count['any'] / max(count['photos'], 1):.3f} %"]


def main(
    count: Annotated[int, typer.Option("--pictures", help="Marked pictures per row; 0 leaves them out.")] = 500,
    sizes: Annotated[list[int] | None, typer.Option(help="Sides in pixels; repeatable.")] = None,
    shards: Annotated[Path, typer.Option(help="Folder with generated people.")] = SHARDS,
    data: Annotated[Path, typer.Option(help="Folder of photo sets.")] = SHARED_DATA,
    unmarked: Annotated[int, typer.Option(help="Unmarked photos per set; 0 leaves them out.")] = 10_000,
    rivagan: Annotated[Path | None, typer.Option(help="Folder imwatermark/ of the unpacked wheel.")] = None,
) -> None:
    """Print found shares, PSNR and false alarms; and the same as CSV on the standard error."""
    mark: Watermark = SpreadSpectrum() if rivagan is None else RivaGan(rivagan)
    rows = []
    for pixels in (sizes or [128, 256, 512]) if count else []:
        for name, folder, pattern in (("generated", shards, "generated-*.tar"), (TEXTURES, data / TEXTURES, "*.tar")):
            if name == TEXTURES and pixels != 128:
                continue  # they are 144 px
            images = [square(image, pixels) for image in islice(pictures(folder, pattern), count)]
            found, psnr, seconds = measure(mark, images)
            shares = [f"{100 * found[change] / len(images):.1f}" for change in CHANGES]
            told = [f"{psnr.mean():.1f}", f"{psnr.min():.1f}", f"{1000 * seconds:.0f}"]
            rows.append([f"{name} {pixels} px", str(len(images)), *shares, *told])
    columns = ["pictures", "number", *CHANGES, "PSNR mean", "PSNR least", "ms"]
    if rows:
        print_table(f"{mark.name}: found, in %", columns, rows)
        csv.writer(sys.stderr).writerows([columns, *rows])
    if rivagan is None and unmarked:
        alarms = false_alarms(mark, sorted(path for path in data.iterdir() if path.is_dir()), unmarked)
        print_table("False alarms", ["set", "photos", "as they are", *GOALS, "in any", "share"], alarms)


if __name__ == "__main__":
    typer.run(main)

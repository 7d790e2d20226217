"""Pictures per second and core: Limner's face networks against facenet-pytorch's MTCNN and embedding, side by side.

    python benchmarks/faces.py [FOLDER]

Without FOLDER (JPEG photos with one face each) the packaged portrait is used. Every number is processor time of one
thread, best of several rounds in which the systems take turns, so that a busy machine changes little.

The rival pins an old torch, an old numpy and torchvision. Install it without them:

    pip install --no-deps facenet-pytorch==2.6.0
    pip install requests tqdm

Two functions of torchvision that it imports are replaced here, where torchvision is absent, by the same thing in torch
and OpenCV. Its MTCNN weights ship in its package. Its recogniser's weights do not (it downloads them), so the
InceptionResnetV1 measured here has random weights: the time is right, the embedding means nothing.
"""

import importlib.util
import os
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from limner.core.assets import asset_path
from limner.core.images import read_image
from limner.faces.analysis import FaceAnalyzer
from limner.faces.detection import select_face
from limner.identity.recognition import GuideRecognizer

SIDES = (256, 768)
ROUNDS = 7
PHOTOS = 8


@dataclass
class Steps:
    """Processor seconds of named steps: per round the mean over the photos, at the end the best round."""

    rounds: list[dict[str, float]] = field(default_factory=list)

    def best(self, *names: str) -> float:
        """Milliseconds of these steps together."""
        return 1e3 * sum(min(entry[name] for entry in self.rounds) for name in names)


def timed(seconds: dict[str, float], name: str, work: Callable[[], Any], share: float) -> Any:
    """Run `work`, adding its processor time times `share` to `seconds[name]`."""
    start = time.process_time()
    result = work()
    seconds[name] = seconds.get(name, 0.0) + (time.process_time() - start) * share
    return result


class Limner:
    """Every step of Limner's face analysis and the guide embedding."""

    def __init__(self) -> None:
        self._analyzer, self._guide = FaceAnalyzer(), GuideRecognizer()

    def run(self, image: np.ndarray, seconds: dict[str, float], share: float) -> None:
        analyzer = self._analyzer
        faces = timed(seconds, "detection", lambda: analyzer.search(image).require(), share)
        face = select_face(faces)
        aligned = timed(seconds, "alignment", lambda: analyzer.align(image, face), share)
        timed(seconds, "embedding", lambda: self._guide.embed([aligned]), share)
        timed(seconds, "dense landmarks", lambda: analyzer.mesh(image, face), share)
        timed(seconds, "parsing", lambda: analyzer.parse(image, face), share)
        timed(seconds, "quality", lambda: analyzer.quality(aligned), share)


class FacenetPytorch:
    """MTCNN with its default settings, then InceptionResnetV1 on the crop that MTCNN cuts."""

    def __init__(self) -> None:
        if importlib.util.find_spec("torchvision") is None:
            _stand_in_for_torchvision()
        facenet: Any = importlib.import_module("facenet_pytorch")
        self._mtcnn = facenet.MTCNN()
        torch.manual_seed(0)
        self._embed = facenet.InceptionResnetV1(classify=False, num_classes=1).eval()

    @torch.inference_mode()
    def run(self, image: np.ndarray, seconds: dict[str, float], share: float) -> None:
        photo = Image.fromarray(image)
        crop = timed(seconds, "detection", lambda: self._mtcnn(photo), share)
        timed(seconds, "embedding", lambda: self._embed(crop[None]), share)


def _stand_in_for_torchvision() -> None:
    """`to_tensor` for float pictures and `batched_nms`, the two functions that facenet-pytorch imports."""

    def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, overlap: float) -> torch.Tensor:
        corners = boxes.numpy()
        sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxesBatched(sizes.tolist(), scores.tolist(), groups.int().tolist(), 0.0, overlap)
        kept = torch.as_tensor(np.asarray(kept, np.int64).ravel())
        return kept[scores[kept].argsort(descending=True)]

    modules = {name: types.ModuleType(name) for name in ("torchvision", "torchvision.transforms", "torchvision.ops")}
    functional, boxes = types.ModuleType("functional"), types.ModuleType("boxes")
    functional.__dict__["to_tensor"] = lambda picture: torch.as_tensor(picture).permute(2, 0, 1)
    boxes.__dict__["batched_nms"] = batched_nms
    modules["torchvision.transforms"].__dict__["functional"] = functional
    modules["torchvision.ops.boxes"] = boxes
    sys.modules.update(modules)


def photos(folder: Path | None) -> list[np.ndarray]:
    """Square RGB photos."""
    paths = sorted(folder.glob("*.jpg"))[:PHOTOS] if folder else [asset_path("example/person.jpg")]
    return [read_image(path) for path in paths]


def measure(systems: dict[str, Any], images: list[np.ndarray]) -> dict[str, Steps]:
    """All systems in turn, `ROUNDS` times after one round that warms them up."""
    steps = {name: Steps() for name in systems}
    for index in range(ROUNDS + 1):
        for name, system in systems.items():
            seconds: dict[str, float] = {}
            for image in images:
                system.run(image, seconds, 1 / len(images))
            if index:
                steps[name].rounds.append(seconds)
    return steps


def report(console: Console, side: int, steps: dict[str, Steps]) -> None:
    limner, rival = steps["limner"], steps.get("facenet-pytorch")
    table = Table(title=f"Pictures of {side} x {side} pixels, one core", title_justify="left")
    for column in ("work", "Limner ms", "pictures/s", "facenet-pytorch ms", "pictures/s", "Limner is faster by"):
        table.add_column(column, justify="right" if column != "work" else "left")

    def row(work: str, ours: float, theirs: float | None) -> None:
        compared = (
            ("-", "-", "-") if theirs is None else (f"{theirs:.1f}", f"{1e3 / theirs:.1f}", f"{theirs / ours:.1f}x")
        )
        table.add_row(work, f"{ours:.1f}", f"{1e3 / ours:.1f}", *compared)

    row("detection and alignment", limner.best("detection", "alignment"), rival and rival.best("detection"))
    row("embedding", limner.best("embedding"), rival and rival.best("embedding"))
    both = rival and rival.best("detection", "embedding")
    row("detection, alignment, embedding", limner.best("detection", "alignment", "embedding"), both)
    for name in ("dense landmarks", "parsing", "quality"):
        row(name, limner.best(name), None)
    row("all of it", limner.best(*limner.rounds[0]), None)
    console.print(table)


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    console = Console(width=120)
    images = photos(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    systems: dict[str, Any] = {"limner": Limner()}
    if importlib.util.find_spec("facenet_pytorch") is None:
        console.print("facenet-pytorch is absent, so there is nothing to compare with: see this file's first lines.")
    else:
        systems["facenet-pytorch"] = FacenetPytorch()
    for side in SIDES:
        resized = [cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images]
        report(console, side, measure(systems, resized))


if __name__ == "__main__":
    main()

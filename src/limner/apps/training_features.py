"""What a face encoder makes of a run's reference faces, made once for each encoder."""

import hashlib
from functools import partial
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from limner.apps.training_progress import Report
from limner.core.files import replacing
from limner.identity.vit import FaceViT
from limner.systems.encoded_portraits import encode_references
from limner.systems.miniature_data import EncodedFaces
from limner.training.engine import main_process_first


def reference_features(path: Path, encoder: FaceViT, faces: EncodedFaces, folder: Path, report: Report) -> Tensor:
    """Patch tokens ``(records, patches, width)`` of every reference by the encoder at ``path``; kept in ``folder``."""
    with path.open("rb") as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    cache = folder / "encoded" / f"features-{name}.safetensors"
    with main_process_first():
        if not cache.exists():
            tell = partial(_tell, report, len(faces.references))
            features = encode_references(encoder, faces.references, progress=tell)
            with replacing(cache) as unfinished:
                save_file({"features": features}, unfinished)
    return load_file(cache)["features"]


def _tell(report: Report, total: int, done: int) -> None:
    report("features", done, total, {})

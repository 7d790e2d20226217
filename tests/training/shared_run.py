"""One step of FACT on a tiny miniature and three of a small network, alone or in several processes.

python -m tests.training.shared_run FOLDER
"""

import sys
from pathlib import Path

import torch

from limner.diffusion.backbone import StableDiffusionBackbone
from limner.systems.encoded_portraits import EncodedPortraits
from limner.systems.fact_curriculum import FactCurriculum
from limner.systems.fact_objective import FactObjective
from limner.systems.fact_training import FactTraining
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import FEATURE_WIDTH, PATCHES, PERSON, awake_fact, encoded_faces, miniature, random
from tests.training.tasks import small_module, task

SETTINGS = LoopSettings(
    steps=3, learning_rate=0.01, warmup_steps=0, decay_steps=0, clip_norm=1e9, log_every=1, trackers=()
)


def fact_training() -> FactTraining:
    """A FACT whose gates are open, so that every parameter has a gradient."""
    base = miniature()
    pipeline = base.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    backbone = StableDiffusionBackbone(pipeline)
    features = random(len(PERSON), PATCHES, FEATURE_WIDTH, seed=5).half()
    curriculum = FactCurriculum(shuffle_from=0, shuffle_full=0, face_drop_probability=0.3)
    return FactTraining(
        awake_fact(base),
        backbone,
        EncodedPortraits(encoded_faces(), features, backbone.tokenize),
        FactObjective(batch=4, curriculum=curriculum),
        steps=3,
    )


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    Run(folder / "fact", fact_training(), SETTINGS.model_copy(update={"steps": 1})).train()
    Run(folder / "small", task(small_module()), SETTINGS).train()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

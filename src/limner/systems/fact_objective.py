"""The choices in FACT's training; ``fact.md`` 2 says which of them are published."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from limner.core.config import Config
from limner.losses.denoising import WeightName
from limner.losses.increment import FairReading
from limner.systems.fact_curriculum import FactCurriculum


class FactObjective(Config):
    """What of FACT's training is a choice; recipes hold these settings beside their own.

    Attributes:
        batch: rows of a step, over all processes.
        pictures_per_person: rows that a person gets in a batch; more than one for the pairing "shuffle".
        pairing: where the face of a shuffled row comes from: "cross" for another photo of the person, "shuffle" for
            another row of the batch, "same" for no shuffle at all.
        loss_weight: how much samples count by their noise: uniform, min-snr or floored-min-snr.
        timestep_shift: above 1 more rows are noisy, where a face's features are decided; 1 for every step alike.
        fair: which increment FAIR counts.
        fair_when_dropped: without a face the whole increment is penalised, instead of what lies outside the target's.
        masked_loss_probability: of a row whose denoising error counts within the target's face only.
        curriculum: shuffle, drop and size of faces as training goes on.
        activation_checkpointing: compute the backbone's blocks again in the backward pass, to save memory.
        compile: run the backbone through ``torch.compile``.
        sample_seeds: seeds of the pictures that show how far training is.
        sample_steps: denoising steps of those pictures.
        sample_guidance: their guidance scale.
    """

    batch: PositiveInt
    pictures_per_person: PositiveInt = 1
    pairing: str = "cross"
    loss_weight: WeightName = "uniform"
    timestep_shift: PositiveFloat = 1.0
    fair: FairReading = "whole"
    fair_when_dropped: bool = False
    masked_loss_probability: float = Field(default=0.0, ge=0, le=1)
    curriculum: FactCurriculum = FactCurriculum()
    activation_checkpointing: bool = False
    compile: bool = False
    sample_seeds: tuple[int, ...] = (1, 2, 3, 4)
    sample_steps: PositiveInt = 12
    sample_guidance: NonNegativeFloat = 3.0

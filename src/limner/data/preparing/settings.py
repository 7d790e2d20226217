"""What `limner data prepare` can be told."""

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from limner.core.config import Config
from limner.data.splits import VALIDATION_SHARE
from limner.faces.quality import MIN_QUALITY


class AnalysisSettings(Config):
    """What is done to a single photo; with other settings every photo is looked at anew.

    Attributes:
        source: what the photos are called in records, keys and file names.
        pixels: side of the stored square pictures.
        framing: side of the square over the longer edge of the face's box. FACT trained at 1.5; 2 also shows hair and
            shoulders.
        largest_enlargement: photos whose square would have to be enlarged more are too small.
        min_quality: recognisability (LightQNet, 0 to 1) below which a face is refused.
        look_at_age: tell ages, to leave out children. Switched off, you vouch for the photos.
        encoders: further face encoders (files) to embed the faces with; the guide always does.
    """

    source: str = Field(default="photos", min_length=1)
    pixels: PositiveInt = 256
    framing: PositiveFloat = 2.0
    largest_enlargement: PositiveFloat = 2.0
    min_quality: NonNegativeFloat = MIN_QUALITY
    look_at_age: bool = True
    encoders: tuple[str, ...] = ()


class SelectionSettings(Config):
    """Which photos stay, decided when all have been looked at; quick to change.

    Attributes:
        same_person: average guide similarity from which groups of a flat folder are one person.
        stranger: guide similarity to the person's medoid below which a photo shows somebody else.
        copy_bits: photos of a person whose perceptual hashes differ in no more bits are copies.
        min_pictures: people with fewer photos are left out; FACT took those with 3 or more.
        validation_share: of the people, not of the photos.
    """

    same_person: float = Field(default=0.36, ge=-1, le=1)
    stranger: float = Field(default=0.2, ge=-1, le=1)
    copy_bits: NonNegativeInt = 10
    min_pictures: PositiveInt = 1
    validation_share: float = Field(default=VALIDATION_SHARE, ge=0, le=1)


class PrepareSettings(Config):
    """All of it.

    Attributes:
        licence: name of a record in `limner licences`, or the terms of the photos in words.
        captioner: ``attributes``, or ``package.module:Name`` of a captioner of your own.
        records_per_shard: a shard is read and rewritten as a whole.
    """

    analysis: AnalysisSettings = AnalysisSettings()
    selection: SelectionSettings = SelectionSettings()
    licence: str = "not stated"
    captioner: str = "attributes"
    records_per_shard: PositiveInt = 1000

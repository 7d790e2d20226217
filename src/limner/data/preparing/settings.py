"""What `limner data prepare` can be told, and where its thresholds come from.

Measured with the guide on up to 500 photos of each set, ``python benchmarks/preparing.py ../shared/data``; real people
(glint-celebs, celeba-wild), people who do not exist (omi-synthetic-ids), consenting people in a studio, neutral and
smiling under one light (london-set):

====================================  ======  ======  ======  ======
threshold                             glint   celeba  omi     london
====================================  ======  ======  ======  ======
stranger 0.20: own photos purged      0.2 %   1.3 %   0.0 %
stranger 0.20: strangers caught       96.4 %  91.2 %  95.9 %
stranger 0.25: own photos purged      0.7 %   1.3 %   0.0 %
stranger 0.25: strangers caught       99.4 %  95.4 %  99.5 %
stranger 0.30: own photos purged      2.0 %   1.8 %   0.0 %
stranger 0.30: strangers caught       100 %   98.6 %  100 %
same person 0.36: precision, recall   1, .88  1, .95  .90, 1  .79, 1
same person 0.40: precision, recall   1, .81  1, .91  .95, 1  .82, 1
copy 6 bits: JPEG at 40, 95th pct.    2       2       2       4
copy 6 bits: other photos within it   0.0 %   0.0 %   18 %    1.1 %
copy 10 bits: other photos within it  0.0 %   0.0 %   38 %    9.8 %
====================================  ======  ======  ======  ======

The photos of omi-synthetic-ids are edits of one picture. Taking two people for one harms training more than taking one
for two, so of the two clustering thresholds the stricter one is the default.
"""

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from limner.core.config import Config
from limner.data.splits import VALIDATION_SHARE
from limner.faces.quality import MIN_QUALITY


class AnalysisSettings(Config):
    """What is done to a single photo; with other settings every photo is looked at anew.

    Attributes:
        source: what the photos are called in records, keys and file names.
        pixels: side of the stored square pictures.
        framing: side of the square over the longer edge of the face's box. 1.5 is FACT's, and about that of FFHQ and of
            the generated people; 2 shows more hair and shoulders.
        largest_enlargement: photos whose square would have to be enlarged more are too small.
        min_quality: recognisability (LightQNet, 0 to 1) below which a face is refused.
        look_at_age: tell ages, to leave out children. Switched off, you vouch for the photos.
        encoders: further face encoders (files) to embed the faces with; the guide always does.
    """

    source: str = Field(default="photos", min_length=1)
    pixels: PositiveInt = 256
    framing: PositiveFloat = 1.5
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

    same_person: float = Field(default=0.4, ge=-1, le=1)
    stranger: float = Field(default=0.25, ge=-1, le=1)
    copy_bits: NonNegativeInt = 6
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

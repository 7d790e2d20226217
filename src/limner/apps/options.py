"""Options that several commands share, so that one word means one thing everywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from limner.core.errors import ConfigError

_MODEL = '"miniature", a folder in diffusers format (Stable Diffusion 1.5 or XL), or a hub name owner/model.'
_GUIDANCE = "How closely the words are followed, 1 is unguided; the model's own default if not given."
_FACE_GUIDANCE = "What the unguided half sees: dropped (no face, the default) or shared (the person)."
_GLASSES = (
    "Where no sentence speaks of glasses: photo, on or off as in the person's photos; words, as the seed will. photo "
    "if not given."
)
_BLOCK_SCALE = "Factor on the scale of some blocks, such as up_blocks.1=0.5; repeat for others."
_WINDOW = "Start and end of the part of the run in which the person is shown, from 0 (noise) to 1 (picture)."
_ENLARGE = "Double the side with the model's own network for that; the miniature then gives 256 px."
_SPARSE = "After the first steps show the person only where the face is: faster, not quite the same picture."
_FAST = "Draw in four steps instead of 25 with what the model brings for that; only where it brings it."
_IDENTITY_GUIDANCE = (
    "How far a recogniser that looks on pulls towards the person, 0 not at all; the model's own if left out."
)
_LIKENESS = "How much like the person, 0 to 1 of what was measured with this model; instead of scale and window."
_VARIETY = "How different the pictures are from each other, 0 to 1 likewise, at that likeness."

Model = Annotated[str, typer.Option(help=_MODEL)]
Adapter = Annotated[Path | None, typer.Option(help="Face adapter of another model than the miniature.")]
Encoder = Annotated[Path | None, typer.Option(help="Face encoder that the adapter reads.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...; the best there is by default.")]
Commercial = Annotated[bool, typer.Option("--commercial", help="Refuse what forbids commercial use.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")]
Count = Annotated[int, typer.Option(help="Number of pictures.")]
Seed = Annotated[int, typer.Option(help="Of the first picture; the others have the next numbers.")]
Scale = Annotated[float | None, typer.Option(help="How strongly the person is kept, 0 not at all; 0.8 if not given.")]
Likeness = Annotated[float | None, typer.Option(help=_LIKENESS)]
Variety = Annotated[float | None, typer.Option(help=_VARIETY)]
Height = Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")]
Width = Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")]
Steps = Annotated[int | None, typer.Option(help="Sampling steps; 25 if not given.")]
Guidance = Annotated[float | None, typer.Option(help=_GUIDANCE)]
Negative = Annotated[str | None, typer.Option(help="What the pictures should not show.")]
Scheduler = Annotated[str | None, typer.Option(help="Sampler: dpm, ddim, euler, euler-a, heun, pndm, unipc or lcm.")]
FaceGuidance = Annotated[str | None, typer.Option(help=_FACE_GUIDANCE)]
IdentityGuidance = Annotated[float | None, typer.Option(help=_IDENTITY_GUIDANCE)]
Glasses = Annotated[str | None, typer.Option(help=_GLASSES)]
BlockScale = Annotated[list[str] | None, typer.Option(help=_BLOCK_SCALE)]
Window = Annotated[tuple[float, float] | None, typer.Option(help=_WINDOW)]
Sparse = Annotated[bool | None, typer.Option("--sparse", help=_SPARSE)]
Fast = Annotated[bool | None, typer.Option("--fast", help=_FAST)]
Enlarge = Annotated[bool | None, typer.Option("--enlarge", help=_ENLARGE)]
Strength = Annotated[float | None, typer.Option(help="How much of the first picture goes, up to 1; 0.6 if not given.")]


Style = Annotated[str | None, typer.Option(help="A look by name; `limner styles` lists them.")]
Styles = Annotated[Path | None, typer.Option(help="A folder with style files of your own.")]
Lora = Annotated[Path | None, typer.Option(help="A LoRA of this base, .safetensors; instead of a style's own.")]
LoraWeight = Annotated[float | None, typer.Option(help="Multiplier of the LoRA; 1 if not given.")]


def given(**values: object) -> dict[str, object]:
    """The options that were given, so that what was not can come from a style or the settings' own defaults."""
    return {name: value for name, value in values.items() if value is not None}


def scales_of(words: Sequence[str] | None) -> dict[str, float] | None:
    """``["up_blocks.1=0.5"]`` as a mapping; None if nothing was given.

    Raises:
        ConfigError: a word has another form.
    """
    if not words:
        return None
    scales: dict[str, float] = {}
    for word in words:
        block, equals, number = word.partition("=")
        try:
            scales[block.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals or not block.strip():
            raise ConfigError(f"the block scale {word!r} has the wrong form; write block=factor, e.g. up_blocks.1=0.5")
    return scales


def numbers_of(words: str | None) -> tuple[int, ...] | None:
    """``"1,0"`` as numbers; None if nothing was given.

    Raises:
        ConfigError: it has another form.
    """
    if words is None:
        return None
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError:
        raise ConfigError(f"{words!r} is no list of face numbers; write them with commas, e.g. 1,0") from None

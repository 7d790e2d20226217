"""Names of FaceChain-FACT's adapter files, translated to Limner's and back.

Two layouts exist: the released one, with diffusers' block names, and the training one, with those of the first Stable
Diffusion code. Both hold the resampler under ``local_fac_prj``. The caller says which it is; nothing is guessed, and a
name without a translation is an error. Both are laid out for Stable Diffusion 1.5, two layers a level.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from limner.adapters.seam import Site
from limner.core.errors import CheckpointError

RESAMPLER = "resampler."
LAYERS = "adapter.layers."
FOREIGN_RESAMPLER = "local_fac_prj."
RELEASED_LAYER = "attn2.processor."
TRAINING_LAYER = "fuser."

SD15_SITES = tuple(
    Site(f"{block}.transformer_blocks.0", channels, heads=8)
    for block, channels in [
        *((f"down_blocks.{level}.attentions.{layer}", 320 * 2**level) for level in range(3) for layer in range(2)),
        ("mid_block.attentions.0", 1280),
        *(
            (f"up_blocks.{level}.attentions.{layer}", 320 * 2 ** (3 - level))
            for level in (1, 2, 3)
            for layer in range(3)
        ),
    ]
)
"""The sixteen blocks of Stable Diffusion 1.5 that FACT enters."""

_BLOCK = re.compile(r"(?P<block>.+\.transformer_blocks\.\d+)\.(?P<rest>.+)")
_DIFFUSERS = re.compile(r"(?P<side>down|up)_blocks\.(?P<level>\d+)\.attentions\.(?P<layer>\d+)(?=\.)")
_TRAINING = re.compile(r"(?P<side>input|output)_blocks\.(?P<place>\d+)\.1(?=\.)")


def from_released(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of a released adapter file -> names of :class:`limner.systems.fact.Fact`.

    The copies of the base model's own norm that some tools save under ``processor.ln`` are left out.

    Raises:
        CheckpointError: a name is not of this layout, or the file is of the first generation.
    """
    return _rename(tensors, lambda name: _to_limner(name, RELEASED_LAYER))


def to_released(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The way back from :func:`from_released`.

    Raises:
        CheckpointError: a name is not of :class:`limner.systems.fact.Fact`.
    """
    return _rename(tensors, lambda name: _from_limner(name, RELEASED_LAYER))


def from_training(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of a file written in training -> names of :class:`limner.systems.fact.Fact`.

    Raises:
        CheckpointError: a name is not of this layout, or the file is of the first generation.
    """
    return _rename(tensors, lambda name: _to_limner(_diffusers_block(name), TRAINING_LAYER))


def to_training(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The way back from :func:`from_training`.

    Raises:
        CheckpointError: a name is not of :class:`limner.systems.fact.Fact`.
    """
    return _rename(tensors, lambda name: _training_block(_from_limner(name, TRAINING_LAYER)))


def _rename(tensors: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    if f"{FOREIGN_RESAMPLER}net.weight" in tensors:
        raise CheckpointError(
            "this is an adapter of FACT's first generation (196 tokens from a linear mixer, no null face); Limner "
            "reads the second, whose files hold local_fac_prj.latents: fetch one of those"
        )
    kept = {name: tensor for name, tensor in tensors.items() if not re.search(r"\.processor\.ln\.(weight|bias)$", name)}
    return {rename(name): tensor for name, tensor in kept.items()}


def _to_limner(name: str, layer: str) -> str:
    if name.startswith(FOREIGN_RESAMPLER):
        return RESAMPLER + name.removeprefix(FOREIGN_RESAMPLER)
    match = _BLOCK.fullmatch(name)
    if match is None or not match["rest"].startswith(layer):
        raise _unknown(name, f"{FOREIGN_RESAMPLER}... or ....transformer_blocks.0.{layer}...")
    return f"{LAYERS}{match['block']}.{match['rest'].removeprefix(layer)}"


def _from_limner(name: str, layer: str) -> str:
    if name.startswith(RESAMPLER):
        return FOREIGN_RESAMPLER + name.removeprefix(RESAMPLER)
    match = _BLOCK.fullmatch(name.removeprefix(LAYERS))
    if match is None or not name.startswith(LAYERS):
        raise _unknown(name, f"{RESAMPLER}... or {LAYERS}....transformer_blocks.0...")
    return f"{match['block']}.{layer}{match['rest']}"


def _diffusers_block(name: str) -> str:
    def block(match: re.Match[str]) -> str:
        place = int(match["place"])
        # A level of the encoder ends in a downsampling and the very first place is the input convolution.
        level, layer = divmod(place - 1, 3) if match["side"] == "input" else divmod(place, 3)
        return f"{'down' if match['side'] == 'input' else 'up'}_blocks.{level}.attentions.{layer}"

    return _TRAINING.sub(block, name).replace("middle_block.1.", "mid_block.attentions.0.", 1)


def _training_block(name: str) -> str:
    def block(match: re.Match[str]) -> str:
        place = 3 * int(match["level"]) + int(match["layer"])
        return f"input_blocks.{place + 1}.1" if match["side"] == "down" else f"output_blocks.{place}.1"

    return _DIFFUSERS.sub(block, name).replace("mid_block.attentions.0.", "middle_block.1.", 1)


def _unknown(name: str, expected: str) -> CheckpointError:
    return CheckpointError(
        f"the tensor {name!r} has no place in an adapter of this layout; expected names such as {expected}. "
        "Give a FACT adapter file and the layout it was written in"
    )

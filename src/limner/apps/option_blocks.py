"""Blocks of options that stand in several commands: each written once, as a function of its options.

A command takes one in by a parameter of its own::

    @with_blocks(dials=option_blocks.dials, model=option_blocks.model)
    def portrait(*, prompt: ..., dials: Options, height: ..., model: Options) -> None:

On the command line the block's options stand in the place of that parameter; the command gets what the block made of
them.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from limner.apps import options

Options = dict[str, Any]
"""What a block made of its options: arguments for the settings or the job, by name."""
Block = Callable[..., Options]
Command = Callable[..., None]


def dials(
    scale: options.Scale = None,
    likeness: options.Likeness = None,
    variety: options.Variety = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    styles: options.Styles = None,
    lora: options.Lora = None,
    lora_weight: options.LoraWeight = None,
    scheduler: options.Scheduler = None,
    face_guidance: options.FaceGuidance = None,
    identity_guidance: options.IdentityGuidance = None,
    glasses: options.Glasses = None,
    block_scale: options.BlockScale = None,
    window: options.Window = None,
    sparse: options.Sparse = None,
    fast: options.Fast = None,
) -> Options:
    """What every picture of a person can be drawn with; only what was given, as the settings name it.

    Raises:
        ConfigError: a block's scale has another form.
    """
    return options.given(
        adapter_scale=scale,
        likeness=likeness,
        variety=variety,
        num_steps=steps,
        guidance_scale=guidance,
        styles=styles,
        lora=lora,
        lora_weight=lora_weight,
        scheduler=scheduler,
        face_guidance=face_guidance,
        identity_guidance=identity_guidance,
        glasses=glasses,
        block_scales=options.scales_of(block_scale),
        window=window,
        sparse=sparse,
        fast=fast,
    )


def model(
    model: options.Model = "miniature",
    adapter: options.Adapter = None,
    encoder: options.Encoder = None,
    device: options.Device = None,
    commercial: options.Commercial = False,
) -> Options:
    """The fields of :class:`limner.apps.model_choice.ModelChoice`."""
    return {"model": model, "adapter": adapter, "encoder": encoder, "device": device, "commercial": commercial}


def with_blocks(**blocks: Block) -> Callable[[Command], Command]:
    """Give a command the options of these blocks in the places of its parameters of their names."""
    inside = {name: inspect.signature(block).parameters for name, block in blocks.items()}

    def combine(command: Command) -> Command:
        own = inspect.signature(command)
        places = [list(inside.get(name, {name: place}).values()) for name, place in own.parameters.items()]
        # By keyword only: an option without a default may then stand behind one with.
        together = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for place in places for one in place]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            made = {name: blocks[name](**{one: given.pop(one) for one in inside[name]}) for name in blocks}
            command(**given, **made)

        run.__signature__ = own.replace(parameters=together)  # pyright: ignore[reportAttributeAccessIssue]
        return run

    return combine

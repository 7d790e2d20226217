"""Where an adapter enters a diffusers transformer block: between its self-attention and its text attention.

Two hooks a block and no module replaced, so parameter names, attention processors, LoRA layers and offloading stay as
they are. The entry adds the increment to what the block's text attention reads; the exit adds it to what that attention
returns, and the block's own residual sum completes it.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from limner.core.errors import AdapterError, TargetNotFoundError

Blocks = Literal["all", "first"]


@dataclass(frozen=True)
class Site:
    """One transformer block an adapter enters.

    Attributes:
        name: path of the block in the backbone.
        channels: width of its hidden states.
        heads: heads of its attention.
    """

    name: str
    channels: int
    heads: int


@dataclass(frozen=True)
class Seam:
    """The two modules of a block between which the increment lives; they may be one."""

    entry: nn.Module
    exit: nn.Module

    def attach(
        self,
        enter: Callable[[Tensor], Tensor | None],
        leave: Callable[[], Tensor | None],
        *,
        text_reads: bool = True,
    ) -> list[RemovableHandle]:
        """Add what ``enter`` makes of the hidden states ``(batch, positions, channels)``, then what ``leave`` returns.

        None adds nothing and leaves the block's own tensors as they are. Without ``text_reads`` the text attention gets
        the hidden states as they were, and only its result is added to.
        """

        def on_entry(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
            increment = enter(args[0])
            return None if increment is None or not text_reads else (args[0] + increment, *args[1:])

        def on_exit(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
            increment = leave()
            return None if increment is None else output + increment

        return [self.entry.register_forward_pre_hook(on_entry), self.exit.register_forward_hook(on_exit)]


def unwrapped(backbone: nn.Module) -> nn.Module:
    """The model inside a ``torch.compile`` wrapper, or the model itself."""
    inner = getattr(backbone, "_orig_mod", backbone)
    return inner if isinstance(inner, nn.Module) else backbone


def find_sites(backbone: nn.Module, *, blocks: Blocks = "all") -> list[Site]:
    """Transformer blocks with text attention, in the order of the backbone's modules.

    Args:
        backbone: any diffusers model.
        blocks: every block, or only the first of each stack (SDXL stacks up to ten).

    Raises:
        TargetNotFoundError: the model has none.
    """
    from diffusers.models.attention import BasicTransformerBlock

    sites = [
        Site(name, module.dim, module.num_attention_heads)
        for name, module in unwrapped(backbone).named_modules()
        if isinstance(module, BasicTransformerBlock)
        and module.attn2 is not None
        and (blocks == "all" or name.rpartition(".")[2] == "0")
    ]
    if not sites:
        raise TargetNotFoundError(
            f"{type(unwrapped(backbone)).__name__} has no transformer block with text attention; expected a diffusers "
            "model built of BasicTransformerBlock, such as the UNet of Stable Diffusion or a PixArt transformer"
        )
    return sites


def locate(backbone: nn.Module, sites: Sequence[Site]) -> list[Seam]:
    """The seams of all sites; nothing is touched.

    Raises:
        TargetNotFoundError: a site is not in the backbone.
        AdapterError: a site has another width or number of heads.
    """
    present = {site.name: site for site in find_sites(backbone)}
    missing = [site.name for site in sites if site.name not in present]
    if missing:
        raise TargetNotFoundError(
            f"{len(missing)} of the adapter's {len(sites)} blocks are not in {type(unwrapped(backbone)).__name__}, the "
            f"first is {missing[0]!r}; the backbone has {describe(list(present.values()))}, the adapter "
            f"{describe(sites)}. Use an adapter made for this backbone"
        )
    for site in sites:
        if site != present[site.name]:
            raise AdapterError(
                f"the adapter was made for a block {site}, the backbone has {present[site.name]}; use an adapter made "
                "for this backbone"
            )
    return [_seam(unwrapped(backbone).get_submodule(site.name)) for site in sites]


def describe(sites: Sequence[Site]) -> str:
    """A few words on a set of sites, for messages."""
    widths = sorted({site.channels for site in sites})
    return f"{len(sites)} blocks of widths {widths} with {sites[0].heads} heads from {sites[0].name!r}"


def watch_timestep(backbone: nn.Module, see: Callable[[Tensor | float | None], None]) -> RemovableHandle:
    """Hand the timestep of every call of the backbone to ``see``; None if it takes none."""
    backbone = unwrapped(backbone)
    # From the class, because offloading puts a forward without names on the instance.
    names = list(inspect.signature(type(backbone).forward).parameters)[1:]
    position = names.index("timestep") if "timestep" in names else len(names)

    def on_call(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        see(args[position] if len(args) > position else kwargs.get("timestep"))

    return backbone.register_forward_pre_hook(on_call, with_kwargs=True)


def forget_compiled_code() -> None:
    """Have ``torch.compile`` look again.

    Compiled code does not watch hooks: a compiled backbone would go on without the adapter, or with it.
    """
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


def _seam(block: nn.Module) -> Seam:
    attention = block.get_submodule("attn2")
    # PixArt's blocks hand the hidden states to the text attention as they are; their norm2 belongs to the feed-forward.
    bare = getattr(block, "norm_type", None) == "ada_norm_single"
    return Seam(attention if bare else block.get_submodule("norm2"), attention)

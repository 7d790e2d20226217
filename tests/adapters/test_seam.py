"""Finding the blocks an adapter enters, and the two places in each."""

import pytest
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import Tensor, nn

from limner.adapters.seam import Seam, Site, describe, find_sites, locate, unwrapped, watch_timestep
from limner.core.errors import TargetNotFoundError
from tests.contracts.backbones import KINDS, Kind, pixart, sd15, sdxl


def test_sites_of_a_unet_in_the_order_of_its_modules() -> None:
    assert find_sites(sd15()) == [
        Site("down_blocks.1.attentions.0.transformer_blocks.0", 16, 2),
        Site("up_blocks.0.attentions.0.transformer_blocks.0", 16, 2),
        Site("up_blocks.0.attentions.1.transformer_blocks.0", 16, 2),
        Site("mid_block.attentions.0.transformer_blocks.0", 16, 2),
    ]


def test_first_blocks_only() -> None:
    assert len(find_sites(sdxl())) == 2 * len(find_sites(sdxl(), blocks="first")) == 8


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_entry_is_what_reads_the_hidden_states(kind: Kind) -> None:
    backbone = kind.build()
    sites = find_sites(backbone, blocks=kind.blocks)
    for site, seam in zip(sites, locate(backbone, sites), strict=True):
        block = backbone.get_submodule(site.name)
        assert seam.exit is block.attn2
        assert seam.entry is (block.attn2 if kind.name == "pixart" else block.norm2)


def test_a_model_without_text_attention_is_told() -> None:
    plain = DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=4, num_layers=1, sample_size=8)
    for model in (nn.Linear(1, 1), plain):
        with pytest.raises(TargetNotFoundError, match="no transformer block with text attention"):
            find_sites(model)


def test_a_compiled_model_is_looked_through() -> None:
    backbone = sd15()
    compiled = torch.compile(backbone, backend="eager")
    assert isinstance(compiled, nn.Module)
    assert unwrapped(compiled) is backbone
    assert find_sites(compiled) == find_sites(backbone)


@pytest.mark.parametrize("same", [False, True])
def test_a_seam_adds_on_entry_and_on_exit(same: bool) -> None:
    entry = nn.Identity()
    seam = Seam(entry, entry if same else nn.Identity())
    handles = seam.attach(lambda hidden: hidden, lambda: torch.ones(1))
    assert seam.exit(torch.ones(1) if same else seam.entry(torch.ones(1))).item() == 3
    for handle in handles:
        handle.remove()
    silent = seam.attach(lambda hidden: None, lambda: None)
    given = torch.ones(1)
    assert seam.exit(seam.entry(given)) is given
    for handle in silent:
        handle.remove()


def test_the_timestep_is_seen_by_place_and_by_name() -> None:
    seen: list[Tensor | float | None] = []
    backbone = sd15()
    watch_timestep(backbone, seen.append)
    latents, text = torch.zeros(1, 4, 8, 8), torch.zeros(1, 3, 12)
    backbone(latents, 7, text)
    backbone(latents, timestep=8, encoder_hidden_states=text)
    other = pixart()
    watch_timestep(other, seen.append)
    other(latents, text, torch.tensor([9]), added_cond_kwargs={"resolution": None, "aspect_ratio": None})
    assert [int(step) for step in seen if step is not None] == [7, 8, 9]


def test_a_backbone_without_timestep_shows_none() -> None:
    seen: list[Tensor | float | None] = []
    layer = nn.Linear(1, 1)
    watch_timestep(layer, seen.append)
    layer(torch.zeros(1))
    assert seen == [None]


def test_describe_is_for_people() -> None:
    assert describe([Site("a.b", 8, 2), Site("c", 4, 2)]) == "2 blocks of widths [4, 8] with 2 heads from 'a.b'"

"""Late steps touch the face's positions only; what is added there is what the exact path adds."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limner.adapters.adapter import GatedFaceAdapter
from limner.adapters.attention import GatedFaceAttention
from limner.adapters.sparse import Region, Run, Sparse
from limner.core.errors import AdapterError
from tests.contracts.backbones import DESIGNS, KINDS, Design, Kind, awake, faces, run, sd15

SD15 = KINDS[0]
LATE = 100  # timestep of the first row of `Kind.inputs`


class OneBlock(nn.Module):
    """A backbone of one block, whose text attention answers zero: what comes out is the increment alone."""

    def __init__(self) -> None:
        super().__init__()
        from diffusers.models.attention import BasicTransformerBlock

        self.block = BasicTransformerBlock(16, 2, 8, cross_attention_dim=12)
        nn.init.zeros_(self.block.attn2.to_out[0].weight)  # pyright: ignore
        nn.init.zeros_(self.block.attn2.to_out[0].bias)  # pyright: ignore

    def forward(self, sample: Tensor, timestep: Tensor | int) -> Tensor:
        block: Any = self.block
        return block.attn2(block.norm2(sample), encoder_hidden_states=torch.zeros(len(sample), 3, 12))


@pytest.fixture
def one() -> tuple[OneBlock, GatedFaceAdapter]:
    torch.manual_seed(0)
    backbone = OneBlock().eval()
    return backbone, awake(backbone)


def hidden(seed: int, rows: int = 2) -> Tensor:
    return torch.randn(rows, 24, 16, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("values", [(0.0, 0.2), (1.1, 0.2), (0.5, -0.1), (0.5, 1.1)])
def test_numbers_out_of_range_are_told(values: tuple[float, float]) -> None:
    with pytest.raises(AdapterError, match="share in"):
        Sparse(*values)


def test_the_region_is_where_most_is_added() -> None:
    increment = torch.zeros(2, 10, 3)
    increment[0, [7, 2]] = 1.0
    increment[1, [0, 9]] = torch.tensor([0.5, -2.0, 0.0])
    region = Region.predicted(increment, 0.2)
    assert region.positions.tolist() == [[2, 7], [0, 9]]
    assert torch.equal(
        region.spread(torch.gather(increment, 1, region.positions[..., None].expand(2, 2, 3))), increment
    )
    assert region.fits(increment)
    assert not region.fits(increment[:1])
    assert not region.fits(increment[:, :5])
    assert len(Region.predicted(increment, 0.001).positions[0]) == 1


def test_a_run_is_late_after_its_start_and_begins_anew_where_there_is_more_noise() -> None:
    follower = Run(Sparse(start=0.5))
    seen = [(follower.see(progress), follower.is_late) for progress in (0.0, 0.4, 0.4, 0.5, 0.9, 0.1, 0.6)]
    assert [begins for begins, _ in seen] == [True, False, False, False, False, True, False]
    assert [late for _, late in seen] == [False, False, False, True, True, False, True]


@torch.no_grad()
def test_late_steps_add_the_exact_increment_in_the_region_and_nothing_elsewhere(
    one: tuple[OneBlock, GatedFaceAdapter],
) -> None:
    backbone, adapter = one
    with adapter.injected(backbone):
        with adapter.conditioned(faces(2)):
            early, late = backbone(hidden(1), 900), backbone(hidden(2), LATE)
        with adapter.conditioned(faces(2), sparse=Sparse(share=0.25, start=0.5)):
            for _ in range(2):
                assert torch.equal(backbone(hidden(1), 900), early)
            found = backbone(hidden(2), LATE)
    region = Region.predicted(early, 0.25).positions
    inside = torch.zeros(2, 24, dtype=torch.bool).scatter(1, region, True)
    assert inside.sum(dim=1).tolist() == [6, 6]
    torch.testing.assert_close(found[inside], late[inside], atol=1e-6, rtol=1e-6)
    assert not found[~inside].any()
    assert late[~inside].any()


@torch.no_grad()
def test_another_run_in_the_same_scope_is_looked_at_anew(one: tuple[OneBlock, GatedFaceAdapter]) -> None:
    backbone, adapter = one
    with adapter.injected(backbone), adapter.conditioned(faces(1), sparse=Sparse(share=0.25, start=0.5)):
        outputs = [backbone(hidden(seed), step) for seed, step in [(1, 900), (2, LATE), (3, 900), (2, LATE)]]
        # A batch of another size, and a run that begins late, as image to image does, have no region yet.
        smaller = backbone(hidden(2, rows=4), LATE)
    with adapter.injected(backbone), adapter.conditioned(faces(1)):
        assert torch.equal(outputs[2], backbone(hidden(3), 900))
        assert torch.equal(smaller, backbone(hidden(2, rows=4), LATE))
    assert not torch.equal(outputs[1], outputs[3])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
@torch.no_grad()
def test_all_positions_are_the_exact_path(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(4)
    adapter = design.awake(backbone, kind)
    options: dict[str, Any] = {"regions": torch.ones(2, 1, 8, 8).tril()} if kind.name != "pixart" else {}
    outputs = []
    with adapter.injected(backbone):
        for sparse in (None, Sparse(share=1.0, start=0.0)):
            with adapter.conditioned(faces(2), faces(1, seed=8), sparse=sparse, window=(0.2, 1.0), **options):
                outputs += [run(backbone, inputs) for _ in range(2)]
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_fewer_queries_are_formed(one: tuple[OneBlock, GatedFaceAdapter]) -> None:
    backbone, adapter = one
    seen: list[int] = []
    layer: GatedFaceAttention = adapter.layer("block")
    for part in (layer.attn.to_q, layer.attn.to_out, layer.ff):
        part.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    with adapter.injected(backbone), adapter.conditioned(faces(2), sparse=Sparse(share=0.25, start=0.5)):
        backbone(hidden(1), 900)
        backbone(hidden(2), LATE)
    assert seen == [24, 24, 24, 6, 6, 6]


@pytest.mark.parametrize("recording", [False, True])
def test_what_is_trained_or_recorded_is_whole(one: tuple[OneBlock, GatedFaceAdapter], recording: bool) -> None:
    backbone, adapter = one
    with adapter.injected(backbone), torch.set_grad_enabled(not recording):
        with adapter.conditioned(faces(2)):
            wanted = backbone(hidden(2), LATE)
        with adapter.conditioned(faces(2), sparse=Sparse(share=0.25, start=0.0)):
            if recording:
                backbone(hidden(1), LATE)
                with adapter.record_increments() as records:
                    found = backbone(hidden(2), LATE)
                assert torch.equal(records[0].increment, found)
            else:
                found = [backbone(hidden(seed), LATE) for seed in (1, 2)][1]
    torch.testing.assert_close(found, wanted)


def test_a_backbone_without_timestep_is_told() -> None:
    class Silent(OneBlock):
        def forward(self, sample: Tensor) -> Tensor:  # pyright: ignore
            return super().forward(sample, 0)

    backbone = Silent().eval()
    adapter = awake(backbone)
    with (
        adapter.injected(backbone),
        adapter.conditioned(faces(2), sparse=Sparse()),
        pytest.raises(AdapterError, match="takes a timestep"),
    ):
        backbone(hidden(1))


@torch.no_grad()
def test_a_null_face_of_no_value_spares_its_half() -> None:
    """Decoupled attention has no bias: zero tokens have zero values, and add nothing, bit for bit."""
    design = DESIGNS[2]
    backbone, inputs = sd15(), SD15.inputs(4)
    adapter = design.awake(backbone, SD15)
    null = torch.zeros(1, 5, 10)
    base, rows = run(backbone, inputs), []
    for site in adapter.sites:
        adapter.layers.get_submodule(site.name).register_forward_pre_hook(lambda m, args: rows.append(len(args[0])))
    with adapter.injected(backbone), adapter.conditioned(faces(2), null):
        spared = run(backbone, inputs)
        assert rows == [2] * len(adapter.sites)
        with adapter.record_increments():
            both = run(backbone, inputs)
    assert rows[len(adapter.sites) :] == [4] * len(adapter.sites)
    assert torch.equal(spared[:2], base[:2])
    assert not torch.allclose(spared[2:], base[2:], atol=1e-3)
    torch.testing.assert_close(spared, both, atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_a_null_face_of_fact_has_an_increment_so_nothing_is_spared() -> None:
    backbone, inputs = sd15(), SD15.inputs(4)
    adapter, rows = awake(backbone), []
    base = run(backbone, inputs)
    adapter.layer(adapter.sites[0].name).register_forward_pre_hook(lambda m, args: rows.append(len(args[0])))
    with adapter.injected(backbone), adapter.conditioned(faces(2), torch.zeros(1, 5, 10)):
        assert not torch.allclose(run(backbone, inputs)[:2], base[:2], atol=1e-3)
    assert rows == [4]


@torch.no_grad()
def test_a_layer_with_shut_gates_is_skipped() -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter, rows = awake(backbone), []
    name = adapter.sites[1].name
    adapter.layer(name).register_forward_pre_hook(lambda m, args: rows.append(len(args[0])))
    adapter.layer(name).alpha_attn.zero_()
    with adapter.injected(backbone):
        with adapter.conditioned(faces(2)):
            run(backbone, inputs)
        assert rows == [2]
        adapter.layer(name).alpha_dense.zero_()
        with adapter.conditioned(faces(2)):
            skipped = run(backbone, inputs)
            assert rows == [2]
            with adapter.record_increments() as records:
                assert torch.equal(run(backbone, inputs), skipped)
    assert len(records) == len(adapter.sites)

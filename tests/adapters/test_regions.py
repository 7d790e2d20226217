"""Several people in one picture: each is seen in their own region, nobody outside; every design, every backbone."""

import pytest
import torch

from limner.adapters.regions import fitted, visible
from limner.core.errors import AdapterError
from tests.contracts.backbones import DESIGNS, FACE_TOKENS, KINDS, Design, Kind, faces, run

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
every_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)

HALVES = torch.zeros(1, 2, 8, 8)
HALVES[:, 0, :, :4] = 1
HALVES[:, 1, :, 4:] = 1
COUPLE = faces(2).reshape(1, 2 * FACE_TOKENS, -1)


def side_of(increment: torch.Tensor, left: bool) -> torch.Tensor:
    """One half of the picture's increments ``(batch, positions, channels)``."""
    side = round(increment.shape[1] ** 0.5)
    return (
        increment.unflatten(1, (side, side))[:, :, : side // 2]
        if left
        else (increment.unflatten(1, (side, side))[:, :, side // 2 :])
    )


@torch.no_grad()
@every_kind
@every_design
def test_each_half_of_the_first_layer_is_as_with_its_person_alone(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(1)
    adapter = design.awake(backbone, kind)
    first = []
    with adapter.injected(backbone):
        for tokens, regions in ((COUPLE, HALVES), (faces(2)[:1], None), (faces(2)[1:], None)):
            with adapter.record_increments() as records, adapter.conditioned(tokens, regions=regions):
                run(backbone, inputs)
            first.append(records[0].increment)
    both, left, right = first
    assert (left - right).abs().max() > 1e-3
    torch.testing.assert_close(side_of(both, True), side_of(left, True), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(side_of(both, False), side_of(right, False), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@every_kind
@every_design
def test_outside_all_regions_nothing_is_added(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    adapter = design.awake(backbone, kind)
    regions = HALVES.clone().repeat(2, 1, 1, 1)
    regions[:, 1] = 0
    with (
        adapter.injected(backbone),
        adapter.record_increments() as records,
        adapter.conditioned(COUPLE.repeat(2, 1, 1), regions=regions),
    ):
        run(backbone, inputs)
    assert len(records) == len(adapter.sites)
    for record in records:
        assert torch.isfinite(record.increment).all()
        assert (side_of(record.increment, False) == 0).all()
        assert side_of(record.increment, True).abs().max() > 0


@torch.no_grad()
@every_design
def test_one_region_that_holds_all_is_no_region_and_none_is_nobody(design: Design) -> None:
    kind = KINDS[0]
    backbone, inputs = kind.build(), kind.inputs(1)
    adapter = design.awake(backbone, kind)
    bare = run(backbone, inputs)
    with adapter.injected(backbone):
        with adapter.conditioned(faces(1)):
            everywhere = run(backbone, inputs)
        with adapter.conditioned(faces(1), regions=torch.ones(1, 1, 8, 8)):
            torch.testing.assert_close(run(backbone, inputs), everywhere, atol=1e-5, rtol=1e-5)
        with adapter.conditioned(COUPLE, regions=torch.zeros(1, 2, 8, 8)):
            assert torch.equal(run(backbone, inputs), bare)


@torch.no_grad()
@every_design
def test_guidance_and_missing_photos_follow_the_regions(design: Design) -> None:
    """[unconditional, conditional]: with the person's own tokens as null face both halves are alike."""
    kind = KINDS[0]
    backbone, inputs = kind.build(), kind.inputs(1)
    twice = {name: value.repeat(2, *[1] * (value.ndim - 1)) for name, value in inputs.items()}
    adapter = design.awake(backbone, kind)
    mask = torch.ones(1, 2 * FACE_TOKENS, dtype=torch.bool)
    mask[:, FACE_TOKENS - 2 : FACE_TOKENS] = False
    mask[:, -2:] = False
    short = faces(2)[:, :-2].reshape(1, -1, COUPLE.shape[-1])
    with adapter.injected(backbone):
        with adapter.conditioned(COUPLE, COUPLE, token_mask=mask, guided=True, regions=HALVES):
            guided = run(backbone, twice)
        with adapter.conditioned(short, regions=HALVES):
            alone = run(backbone, inputs)
    torch.testing.assert_close(guided[:1], guided[1:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(guided[:1], alone, atol=1e-5, rtol=1e-5)


def test_regions_at_the_size_of_a_block() -> None:
    regions = torch.zeros(1, 1, 5, 9)
    regions[..., :, :4] = 1
    assert torch.equal(fitted(regions, 45)[0, 0].unflatten(0, (5, 9)), regions[0, 0])
    small = fitted(regions, 15)[0, 0].unflatten(0, (3, 5))
    assert (small[:, 0] == 1).all()
    assert (small[:, -1] == 0).all()
    seen = visible(fitted(regions, 15), 3)
    assert seen.shape == (1, 15, 3)
    assert seen.all()  # nobody's positions see all, or attention had nothing to see
    two = visible(torch.stack([torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.0, 0.5]])]), 4)
    assert two[0].tolist() == [[True, True, False, False], [True] * 4, [True] * 4]


@torch.no_grad()
def test_regions_that_do_not_fit_are_refused() -> None:
    kind = KINDS[0]
    backbone = kind.build()
    adapter = DESIGNS[0].awake(backbone, kind)
    with adapter.injected(backbone):
        for regions in (HALVES[0], HALVES.repeat(2, 1, 1, 1), torch.ones(1, 3, 8, 8)):
            with pytest.raises(AdapterError, match="regions of shape"), adapter.conditioned(COUPLE, regions=regions):
                pytest.fail("it was taken")
        with (
            pytest.raises(AdapterError, match="cannot be laid on a block"),
            adapter.conditioned(COUPLE, regions=torch.ones(1, 2, 5, 5)),
        ):
            run(backbone, kind.inputs(1))

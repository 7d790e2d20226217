"""Face detail: the base is shown what a recogniser would see, in the rows that can show it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.systems.contract import Batch
from limner.systems.face_detail_term import TRUE_FACE, FaceDetailTerm
from limner.systems.miniature_base import MiniatureBase
from limner.systems.predicted_faces import COUNTS
from tests.systems.tiny import PERSON, encoded_faces, miniature, predicted_faces, random


class Eye(nn.Module):
    """Sees colours, near and from afar."""

    def maps(self, faces: Tensor) -> list[Tensor]:
        return [F.adaptive_avg_pool2d(faces, side) + 2 for side in (8, 1)]


def term(*, counted: Tensor | None = None) -> FaceDetailTerm:
    pictures = random(len(PERSON), 3, 112, 112, seed=4).tanh()
    references = ((pictures + 1) * 127.5).to(torch.uint8)
    return FaceDetailTerm(Eye(), predicted_faces(counted=counted), references)  # pyright: ignore[reportArgumentType]


def base(detail: FaceDetailTerm | None) -> MiniatureBase:
    return MiniatureBase(miniature(), encoded_faces(), batch=4, weight="min-snr", face_detail=detail)


def batch_of(one: FaceDetailTerm) -> Batch:
    record, variant = torch.tensor([0, 1, 4, 5]), torch.tensor([0, 1, 0, 1])
    return one.load({"record": record, "variant": variant, "looked_at": torch.ones(4, dtype=torch.bool)})


def test_the_true_face_costs_nothing_and_another_something() -> None:
    one = term()
    batch = batch_of(one)
    latents, kept = random(4, 32, 4, 4), torch.ones(4)
    shown = one.predicted.faces(latents, batch, torch.arange(4)).detach()
    batch[TRUE_FACE] = ((shown + 1) * 127.5).round().to(torch.uint8)
    assert one.loss(latents, batch, kept).item() < 1e-4
    assert one.loss(-latents, batch, kept).item() > 1e-2


def test_rows_that_are_not_photos_change_nothing_and_none_cost_nothing() -> None:
    photos = torch.ones(len(PERSON), 2, dtype=torch.bool)
    photos[4, 0] = False
    one, latents, kept = term(counted=photos), random(4, 32, 4, 4), torch.full((4,), 0.5)
    batch = batch_of(one)
    assert batch[COUNTS].tolist() == [True, True, False, True]
    changed = latents.clone()
    changed[2] += 1
    assert one.loss(latents, batch, kept) == one.loss(changed, batch, kept)
    changed[0] += 1
    assert one.loss(latents, batch, kept) != one.loss(changed, batch, kept)
    assert one.loss(latents, batch | {COUNTS: torch.zeros(4, dtype=torch.bool)}, kept) == 0


def test_noisy_rows_count_by_the_signals_amplitude() -> None:
    one, latents = term(), random(4, 32, 4, 4)
    batch = batch_of(one)
    full, half = (one.loss(latents, batch, torch.full((4,), kept)) for kept in (1.0, 0.25))
    torch.testing.assert_close(half, full / 2)


def test_training_has_the_term_only_if_it_is_given_one_and_it_teaches_both_parts() -> None:
    plain, taught = base(None), base(term())
    terms = [one.loss(one.collate(one.draw(0, torch.Generator().manual_seed(3))), 0) for one in (plain, taught)]
    assert set(terms[1]) - set(terms[0]) == {"face_detail"}
    assert torch.equal(terms[0]["denoising"], terms[1]["denoising"])
    terms[1]["face_detail"].backward()
    for part in taught.module.values():
        assert any(value.grad is not None and value.grad.any() for value in part.parameters())
    assert all(value.grad is None for network in taught.frozen for value in network.parameters())

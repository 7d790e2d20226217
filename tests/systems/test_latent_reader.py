"""The reader of the lessons: every place of the latents is drawn from all tokens."""

from limner.systems.latent_reader import LatentReader
from tests.systems.tiny import random

WIDTH = 20


def test_the_reader_draws_every_place_from_all_tokens() -> None:
    reader = LatentReader(WIDTH, (5, 2, 3))
    tokens = random(1, 7, WIDTH)
    drawn = reader(tokens)
    assert drawn.shape == (1, 5, 2, 3)
    moved = tokens.clone()
    moved[:, 6] += 1
    assert (reader(moved) != drawn).any(dim=1).all()

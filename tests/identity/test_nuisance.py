"""The directions that are left out are those in which one person's pictures differ, and nothing else is lost."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from limner.core.checkpoint import read_header, save_checkpoint
from limner.core.errors import CheckpointError, ConfigError, FeatureSpaceError
from limner.identity.nuisance import (
    load_nuisance,
    nuisance_directions,
    save_nuisance,
    telling_directions,
    without_directions,
)

PEOPLE, PICTURES, DIM = 40, 3, 16
SMILE, LIGHT = torch.eye(DIM)[3], torch.eye(DIM)[7]


def album(seed: int = 0) -> tuple[Tensor, list[str]]:
    """People who smile a lot, and stand a little differently in the light."""
    noise = torch.Generator().manual_seed(seed)
    people = torch.randn(PEOPLE, 1, DIM, generator=noise)
    smiles, light = (torch.randn(PEOPLE, PICTURES, 1, generator=noise) for _ in range(2))
    pictures = people + 1.5 * smiles * SMILE + 0.5 * light * LIGHT
    names = [f"person {number}" for number in range(PEOPLE) for _ in range(PICTURES)]
    return F.normalize(pictures.flatten(0, 1), dim=1), names


def test_what_varies_most_in_a_person_comes_first() -> None:
    smile, light = nuisance_directions(*album(), 2)
    assert abs(smile @ SMILE) > 0.97
    assert abs(light @ LIGHT) > 0.85


def test_directions_are_orthonormal_and_left_out_wholly() -> None:
    pictures, names = album()
    directions = nuisance_directions(pictures, names, 5)
    torch.testing.assert_close(directions @ directions.T, torch.eye(5))
    left = without_directions(pictures, directions)
    assert (left @ directions.T).abs().max() < 1e-6
    torch.testing.assert_close(left.norm(dim=1), torch.ones(len(names)))


def test_of_few_pictures_with_many_numbers_they_are_the_same() -> None:
    pictures, names = album()
    long = F.pad(pictures, (0, 400))
    assert len(long) < long.shape[1]
    few, many = nuisance_directions(pictures, names, 5), nuisance_directions(long, names, 5)
    torch.testing.assert_close((many[:, :DIM] @ few.T).abs(), torch.eye(5), atol=1e-4, rtol=0)
    assert many[:, DIM:].abs().max() < 1e-6


def test_pictures_of_one_person_come_nearer_and_people_stay_apart() -> None:
    pictures, names = album()
    other, same_names = album(seed=1)
    directions = nuisance_directions(other, same_names, 2)

    def cosines(seen: Tensor) -> tuple[float, float]:
        table, same = seen @ seen.T, torch.tensor([[one == two for two in names] for one in names])
        itself = torch.eye(len(names), dtype=torch.bool)
        return table[same & ~itself].mean().item(), table[~same].mean().item()

    (same, strangers), (same_left, strangers_left) = (
        cosines(pictures),
        cosines(without_directions(pictures, directions)),
    )
    assert same_left > same + 0.1
    assert abs(strangers_left - strangers) < 0.02


def test_who_has_one_picture_says_nothing() -> None:
    pictures, names = album()
    alone = F.normalize(torch.randn(50, DIM, generator=torch.Generator().manual_seed(2)), dim=1)
    more = nuisance_directions(torch.cat([pictures, alone]), names + [f"alone {number}" for number in range(50)], 2)
    torch.testing.assert_close(more.abs(), nuisance_directions(pictures, names, 2).abs(), atol=1e-5, rtol=0)


def test_without_directions_nothing_changes() -> None:
    pictures, names = album()
    none = nuisance_directions(pictures, ["each", *names[1:]], 0)
    assert none.shape == (0, DIM)
    torch.testing.assert_close(without_directions(pictures, none), pictures)


@pytest.mark.parametrize(
    ("names", "count", "said"),
    [
        ("ab", 1, "nobody has two pictures; name 0 directions"),
        ("aa", 16, "16 nuisance directions of 16"),
        ("aa", -1, "-1"),
    ],
)
def test_what_cannot_be_found_is_refused(names: str, count: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        nuisance_directions(torch.eye(2, DIM), list(names), count)


def test_directions_come_back_from_their_file_and_only_for_their_recogniser(tmp_path: Path) -> None:
    directions, path = torch.eye(5)[:2], tmp_path / "nuisance.safetensors"
    save_nuisance(path, directions, feature_space="guide", licence="mine")
    assert torch.equal(load_nuisance(path, feature_space="guide"), directions)
    with pytest.raises(FeatureSpaceError, match="'guide'"):
        load_nuisance(path, feature_space="judge")
    save_checkpoint(path, {"other": directions}, read_header(path))
    with pytest.raises(CheckpointError, match="other"):
        load_nuisance(path, feature_space="guide")


def test_what_is_measured_is_told_by_no_linear_reading_any_more() -> None:
    """Found on some people, asked of a regression that is fitted on others."""

    def faces(seed: int) -> tuple[Tensor, Tensor]:
        noise = torch.Generator().manual_seed(seed)
        angles, others = torch.randn(600, 2, generator=noise), torch.randn(600, DIM, generator=noise)
        ways = torch.randn(2, DIM, generator=torch.Generator().manual_seed(9))
        return others + angles @ ways, angles * torch.tensor([20.0, 0.1]) + 5

    def explained(seen: Tensor, told: Tensor) -> Tensor:
        here = torch.cat([seen, torch.ones(len(seen), 1)], dim=1)
        fitted = torch.linalg.pinv(here[:300], rtol=1e-4) @ told[:300]  # a direction is missing
        errors = (here[300:] @ fitted - told[300:]).square().sum(dim=0)
        return 1 - errors / (told[300:] - told[300:].mean(dim=0)).square().sum(dim=0)

    left_out = torch.eye(1, DIM)
    seen, told = faces(0)
    found = telling_directions(seen, {"yaw": told[:, 0], "smile": told[:, 1]}, besides=left_out)
    torch.testing.assert_close(found @ found.T, torch.eye(2))
    assert (found @ left_out.T).abs().max() < 1e-6
    seen, told = faces(1)
    seen = seen - seen @ left_out.T @ left_out
    assert explained(seen, told).min() > 0.8
    assert explained(seen - seen @ found.T @ found, told).max() < 0.05


def test_what_may_be_told_stays() -> None:
    """Women smile more here, so a smile that is left out whole takes gender with it."""
    noise = torch.Generator().manual_seed(2)
    others, gender, own = (torch.randn(2000, size, generator=noise) for size in (DIM, 1, 1))
    smile = gender + own
    seen = 0.1 * others + gender * LIGHT + own * SMILE
    told, none = {"smile": smile[:, 0]}, torch.empty(0, DIM)
    assert abs(telling_directions(seen, told, besides=none)[0] @ LIGHT) > 0.6
    freed = telling_directions(seen, told, known=[gender[:, 0]], besides=none)[0]
    assert abs(freed @ LIGHT) < 0.05
    assert abs(freed @ SMILE) > 0.99


def test_pictures_in_which_nothing_was_measured_do_not_count() -> None:
    pictures, _ = album()
    smiles, none = pictures[:, 3].clone(), torch.empty(0, DIM)
    smiles[5] = float("nan")
    kept = torch.arange(len(pictures)) != 5
    torch.testing.assert_close(
        telling_directions(pictures, {"smile": smiles}, besides=none),
        telling_directions(pictures[kept], {"smile": smiles[kept]}, besides=none),
    )
    assert telling_directions(pictures, {}, besides=none).shape == (0, DIM)


@pytest.mark.parametrize(
    ("measured", "besides", "message"),
    [
        ({"yaw": torch.rand(4), "smile": torch.ones(4)}, torch.empty(0, 3), "'smile' is the same in all 4 pictures"),
        ({"yaw": torch.full((4,), torch.nan)}, torch.empty(0, 3), "'yaw' is the same in all 0 pictures"),
        (dict.fromkeys(("yaw", "smile"), torch.rand(4)), torch.eye(2, 3), r"2 attributes \(yaw, smile\) and 2"),
    ],
)
def test_measurements_that_tell_no_direction(measured: dict[str, Tensor], besides: Tensor, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        telling_directions(torch.rand(4, 3), measured, besides=besides)

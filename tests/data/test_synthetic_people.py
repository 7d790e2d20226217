"""Shards of invented people: killed anywhere, the same command ends in the same files; what is dropped is counted."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.core.errors import InputError
from limner.core.images import read_image
from limner.data import synthetic_people
from limner.data.measuring import MeasuredFace
from limner.data.pools import open_pool
from limner.data.record import read_shards
from limner.data.synthetic_people import PIXELS, Crowd, CrowdWorkbench, draw_pictures, write_shards
from tests.data.examples import FakeGenerator, directions, measured

CROWD = Crowd(people=5, pictures=2, seed=3)
Answers = dict[tuple[int, int], MeasuredFace | None]
ADULTS: Answers = {(person, picture): measured() for person in range(20) for picture in range(2)}


class FakeMeasurer:
    """Knows the answers by person and picture; stops, like a killed process, before call ``stop_at``."""

    def __init__(self, folder: Path, answers: Answers, stop_at: int | None = None) -> None:
        paths = sorted((folder / "pictures").glob("*.jpg"))
        numbers = [tuple(map(int, path.stem.split("_"))) for path in paths]
        self.answers = {read_image(p).tobytes(): answers[n[0], n[1]] for p, n in zip(paths, numbers, strict=True)}
        assert len(self.answers) == len(paths)  # no two pictures are alike
        self.stop_at, self.calls = stop_at, 0

    def measure(self, image: np.ndarray) -> MeasuredFace | None:
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        self.calls += 1
        return self.answers[image.tobytes()]


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_people, "PEOPLE_PER_SHARD", 2)


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


def draw(folder: Path, crowd: Crowd = CROWD, *, stop_at: int | None = None) -> int:
    """Returns how many people were drawn."""
    generator: Any = FakeGenerator(stop_at=stop_at)
    with open_pool(partial(CrowdWorkbench, folder, crowd, lambda: (generator, directions()), no_measurer), 1) as pool:
        draw_pictures(folder, crowd, pool, quiet)
    return generator.calls


def no_measurer() -> Any:
    raise AssertionError("nothing is to be measured")


def write(
    folder: Path, crowd: Crowd = CROWD, *, answers: Answers = ADULTS, stop_at: int | None = None
) -> dict[str, int]:
    measurer: Any = FakeMeasurer(folder, answers, stop_at)
    with open_pool(partial(CrowdWorkbench, folder, crowd, no_artist, lambda: measurer), 1) as pool:
        return write_shards(folder, crowd, pool, quiet)


def no_artist() -> Any:
    raise AssertionError("nothing is to be drawn")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pictures_and_shards(tmp_path: Path) -> None:
    assert draw(tmp_path) == 5
    assert read_image(tmp_path / "pictures" / "00004_1.jpg").shape == (PIXELS, PIXELS, 3)
    assert write(tmp_path) == {"kept": 10, "too young": 0, "another person": 0, "no face": 0}
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == [
        "generated-000.tar",
        "generated-001.tar",
        "generated-002.tar",
    ]
    made = list(read_shards(tmp_path / "shards"))
    assert [one.key for one in made] == [f"{person:05d}_{picture}" for person in range(5) for picture in range(2)]
    assert [one.split for one in made] == ["validation"] * 2 + ["train"] * 8
    assert {one.person for one in made} == {f"generated-{person:05d}" for person in range(5)}
    assert all("yaw" in one.edits for one in made)


@pytest.mark.parametrize("stop", [0, 1, 4])
def test_killed_while_drawing(tmp_path: Path, stop: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path / "killed", stop_at=stop)
    assert draw(tmp_path / "killed") == 5 - stop
    draw(tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


@pytest.mark.parametrize("stop", [0, 3, 4, 9])
def test_killed_while_measuring(tmp_path: Path, stop: int) -> None:
    draw(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "killed", stop_at=stop)
    assert len(list((tmp_path / "killed" / "shards").iterdir())) == stop // 4
    assert write(tmp_path / "killed")["kept"] == 10 - stop // 4 * 4
    draw(tmp_path / "whole")
    write(tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_who_is_dropped_is_counted(tmp_path: Path) -> None:
    draw(tmp_path)
    answers = ADULTS | {
        (0, 0): measured(years=19),
        (0, 1): measured(years=30),  # 24.5 together: too close to children, whom the estimator takes for 20 and more
        (1, 1): measured(direction=1.2),  # cosine 0.36
        (2, 0): None,  # without the first picture nobody can say who it is
        (3, 0): None,
        (3, 1): None,
        (4, 1): measured(direction=1.0),  # cosine 0.54
    }
    counts = write(tmp_path, answers=answers)
    assert counts == {"kept": 3, "too young": 2, "another person": 2, "no face": 3}
    assert [one.key for one in read_shards(tmp_path / "shards")] == ["00001_0", "00004_0", "00004_1"]


def test_one_age_that_looks_young_does_not_leave_out_a_person_and_gender_is_the_persons(tmp_path: Path) -> None:
    crowd = Crowd(people=1, pictures=2)
    draw(tmp_path, crowd)
    write(tmp_path, crowd, answers={(0, 0): measured(years=18, male=0.2), (0, 1): measured(years=34, male=0.6)})
    made = list(read_shards(tmp_path / "shards"))
    assert [one.age_years for one in made] == [(26 + 18) / 2, (26 + 34) / 2]
    assert [one.male for one in made] == [0.4, 0.4]


def test_a_crowd_may_grow(tmp_path: Path) -> None:
    for folder, sizes in ((tmp_path / "grown", (3, 4, 7)), (tmp_path / "whole", (7,))):
        for people in sizes:
            draw(folder, Crowd(people, 2, 3))
            write(folder, Crowd(people, 2, 3))
    assert files(tmp_path / "grown") == files(tmp_path / "whole")


def test_growing_measures_only_what_is_new(tmp_path: Path) -> None:
    draw(tmp_path, Crowd(4, 2, 3))
    write(tmp_path, Crowd(4, 2, 3))
    draw(tmp_path, Crowd(6, 2, 3))
    assert write(tmp_path, Crowd(6, 2, 3))["kept"] == 4


@pytest.mark.parametrize("other", [Crowd(5, 3, 3), Crowd(5, 2, 4), Crowd(4, 2, 3)])
def test_another_crowd_is_refused(tmp_path: Path, other: Crowd) -> None:
    draw(tmp_path)
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"was begun for Crowd\(people=5.*choose another folder"):
        draw(tmp_path, other)
    assert files(tmp_path) == before


class RealJpegs:
    """Sees the same grown-up in every picture: for processes of their own, which know no test's answers."""

    def measure(self, image: np.ndarray) -> MeasuredFace | None:
        return measured(direction=image.mean() / 1e5)


def artist() -> Any:
    return FakeGenerator(), directions()


@pytest.mark.slow
def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        measurer: Any = RealJpegs
        make = partial(CrowdWorkbench, folder, CROWD, artist, measurer)
        with open_pool(make, workers) as pool:
            draw_pictures(folder, CROWD, pool, quiet)
            assert write_shards(folder, CROWD, pool, quiet)["kept"] == 10
    assert files(tmp_path / "1") == files(tmp_path / "2")

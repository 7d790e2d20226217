"""The pictures of the how-to pages: people who do not exist, drawn by the packaged miniature.

    python benchmarks/howto_pictures.py --shards people/shards --docs docs

Writes docs/pictures/howto-*.webp, at most 200 kB each, and puts them into their pages. The people are the first of the
validation split, in the order of the shards; seeds are the same everywhere, nothing is picked. --only dials (or
inpaint, pose, several-people, styles) makes one of them. All together are about 100 pictures, three to five minutes.
"""

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from performance_page import circumstances, write_section
from PIL import Image

from limner.apps.contact_sheet import Tile, contact_sheet
from limner.apps.control import POSE_FILE
from limner.apps.studio import Studio
from limner.apps.style_pictures import can_draw
from limner.apps.styles import all_styles
from limner.core.errors import ConfigError
from limner.core.files import replacing
from limner.data.shard_index import ShardIndex
from limner.evaluation.people import people_of
from limner.evaluation.protocol import Person, protocol_named
from limner.faces.conditions import condition_picture
from limner.identity.mixing import mix

SEED = 7
MAX_BYTES = 200_000
QUALITIES = (80, 70, 60, 50, 40, 30)
NUM_PEOPLE = 6
SCALES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
STARTS = (0.0, 0.15, 0.3, 0.5)
FOLLOWED = (0.0, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class Sheet:
    """One picture of a page: what was given, what was made, and what it says above."""

    given: Sequence[Tile]
    made: Sequence[Tile]
    title: str
    columns: int


@dataclass(frozen=True, eq=False)
class Desk:
    """What every picture is made with."""

    studio: Studio
    people: Sequence[Person]
    steps: int

    def who(self, person: int) -> str:
        """What a sentence calls a person."""
        return f"a {self.people[person].gender or 'person'}"

    def portrait(self, person: int, prompt: str = "", **settings: Any) -> np.ndarray:
        """One picture of a person, by number; a photo if no sentence is given."""
        identity = self.studio.identity(self.people[person].photos[0])
        words = prompt or f"a photo of {self.who(person)}"
        return self.studio.portrait(identity, words, seed=SEED, num_steps=self.steps, **settings)[0].image

    def photo(self, person: int, caption: str) -> Tile:
        return Tile(self.people[person].photos[0], caption)


def dials(desk: Desk) -> Sheet:
    """Scales for two people, and starts of the window for one."""
    made = []
    for person in (0, 1):
        made.append(desk.photo(person, "the photo that is given"))
        made += [Tile(desk.portrait(person, adapter_scale=scale), f"--scale {scale:g}") for scale in SCALES]
    made.append(desk.photo(0, "the photo that is given"))
    made += [Tile(desk.portrait(0, window=(start, 1.0)), f"--window {start:g} 1") for start in STARTS]
    side = made[1].image.shape[0]
    sized = [Tile(squared(one.image, side), one.caption) for one in made]
    return Sheet([], sized, f"limner portrait, seed {SEED}", len(SCALES) + 1)


def inpaint(desk: Desk) -> Sheet:
    """Two people in the place of the most frontal of the others, face or head."""
    template = min(desk.people[2:], key=lambda person: abs(person.yaw)).photos[0]
    made = []
    for person, region, strength in ((0, "face", 0.6), (0, "head", 0.6), (0, "head", 0.9), (1, "head", 0.6)):
        identity = desk.studio.identity(desk.people[person].photos[0])
        [scene] = desk.studio.inpaint(
            [identity],
            template,
            f"a photo of {desk.who(person)}",
            seed=SEED,
            num_steps=desk.steps,
            region=region,
            strength=strength,
        )
        made.append(Tile(scene.image, f"person {person + 1}, {region}, strength {strength:g}"))
    given = [Tile(template, "the template"), desk.photo(0, "person 1"), desk.photo(1, "person 2")]
    return Sheet(given, made, f"limner inpaint, seed {SEED}", len(given) + len(made))


def several_people(desk: Desk) -> Sheet:
    """Two people in one picture, and somebody between them."""
    people = [desk.studio.identity(desk.people[person].photos[0]) for person in (0, 1)]
    drawn = desk.studio.group(people, "two people", seed=SEED, count=3, width=192, num_steps=desk.steps)
    made = [Tile(one.image, f"seed {one.seed}, regions redrawn: {sum(one.redrawn)}") for one in drawn]
    who = desk.who(0) if desk.who(0) == desk.who(1) else "a person"
    [between] = desk.studio.portrait(mix(people, [1, 1]), f"a photo of {who}", seed=SEED, num_steps=desk.steps)
    given = [desk.photo(0, "person 1"), desk.photo(1, "person 2"), Tile(between.image, "between them (limner mix)")]
    return Sheet(given, made, "two people", 3)


def pose(desk: Desk) -> Sheet | None:
    """The pose of the most turned of the others; None where the model brings no network for it."""
    if desk.studio.assembly.base.own(POSE_FILE) is None:
        return None
    photo = max(desk.people[1:], key=lambda person: abs(person.yaw)).photos[0]
    made = [
        Tile(desk.portrait(0, control=desk.studio.pose(photo, scale=scale)), f"--control-scale {scale:g}")
        for scale in FOLLOWED
    ]
    given = [
        desk.photo(0, "the person"),
        Tile(photo, "the pose"),
        Tile(condition_picture(photo, "landmarks", desk.studio.analyzer), "what the network is shown"),
    ]
    return Sheet(given, made, f"limner portrait --pose, seed {SEED}", 3)


def styles(desk: Desk) -> Sheet:
    """Every style that the model was taught; `limner styles --pictures` draws the same of anybody."""
    drawable = [one for one in all_styles(None) if can_draw(one, desk.studio.assembly.base.kind)]
    made = [Tile(desk.portrait(0, desk.who(0), style=one.name), one.name) for one in drawable]
    return Sheet([desk.photo(0, "the person")], made, f"{desk.who(0)}, seed {SEED}", 9)


TOPICS: dict[str, tuple[Callable[[Desk], Sheet | None], str]] = {
    "dials": (dials, "Two people at rising scale, and one at rising start of the window"),
    "inpaint": (inpaint, "A template, two people, and the template with each of them"),
    "several-people": (several_people, "Two people, somebody between them, and both in one picture"),
    "pose": (pose, "A person, the photo of somebody else whose pose is followed, and the results"),
    "styles": (styles, "One person in every style that the miniature was taught"),
}


def main(
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    docs: Annotated[Path, typer.Option(help="Where the pages lie.")] = Path("docs"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    steps: Annotated[int, typer.Option(min=1)] = 25,
    only: Annotated[list[str] | None, typer.Option(help="One topic; repeat for more.")] = None,
) -> None:
    """Draw, write the pictures, and put them into the pages."""
    if unknown := set(only or ()) - set(TOPICS):
        raise ConfigError(f"there is no topic {', '.join(sorted(unknown))}; known are {', '.join(TOPICS)}")
    people = people_of(ShardIndex(shards), protocol_named("quick", people=NUM_PEOPLE))
    if len(people) < NUM_PEOPLE or not all(person.generated for person in people):
        raise ConfigError(f"{shards} must begin with {NUM_PEOPLE} generated people of the validation split")
    desk = Desk(Studio.open(model, device="cpu"), people, steps)
    for topic in only or TOPICS:
        draw, about = TOPICS[topic]
        sheet = draw(desk)
        if sheet is None:
            typer.echo(f"{topic}: left out, {model} brings no network for it")
            continue
        name = f"howto-{topic}.webp"
        (docs / "pictures").mkdir(exist_ok=True)
        with replacing(docs / "pictures" / name) as unfinished:
            unfinished.write_bytes(encoded(sheet))
        text = f"![{about}](pictures/{name})\n\nPeople who do not exist; nothing is picked."
        command = ["benchmarks/howto_pictures.py", *sys.argv[1:]]
        write_section(docs / f"howto-{topic}.md", f"pictures of {topic}", circumstances("cpu"), text, command)
        typer.echo(f"{topic}: {docs / 'pictures' / name}")


def encoded(sheet: Sheet) -> bytes:
    """WebP, as good as fits into ``MAX_BYTES``.

    Raises:
        ValueError: not even the worst quality fits.
    """
    drawn = contact_sheet(sheet.given, sheet.made, title=sheet.title, columns=sheet.columns)
    picture = Image.fromarray(drawn)
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality, method=6)
        if buffer.tell() <= MAX_BYTES:
            return buffer.getvalue()
    raise ValueError(f"{sheet.title}: more than {MAX_BYTES} bytes at quality {QUALITIES[-1]}; show fewer tiles")


def squared(image: np.ndarray, side: int) -> np.ndarray:
    """The picture at another size, RGB uint8 ``(side, side, 3)``."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    typer.run(main)

"""The contact sheet: shows what passes the filters, and is safe whatever records say."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from limner.core.errors import InputError
from limner.data.contact_page import THUMBNAIL_PIXELS, Filter, write_contact_page
from limner.data.record import write_shard
from tests.data.examples import NUMBERS, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    glasses = replace(NUMBERS, glasses=0.2)
    write_shard(
        tmp_path / "a.tar",
        [
            record(0, person="<script>x</script>", caption='a man & \'a "dog"'),
            record(1, person="y", split="validation", numbers=glasses),
            record(2, person="y", source="other", numbers=glasses),
        ],
    )
    return tmp_path


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(folder: Path, wanted: Filter) -> tuple[int, Reader, str]:
    count = write_contact_page(folder, folder / "page.html", wanted)
    text = (folder / "page.html").read_text(encoding="utf-8")
    return count, Reader(text), text


def test_everything(folder: Path) -> None:
    count, reader, text = page(folder, Filter())
    assert count == len(reader.all("figure")) == 3
    assert json.loads(reader.all("figure")[1]["data-groups"] or "")["glasses"] == "yes"
    assert {menu["data-division"] for menu in reader.all("select")} >= {"source", "split", "age", "glasses", "gender"}
    assert len(reader.all("script")) == 1
    assert "&lt;script&gt;" in text
    assert "<td>yaw</td><td>0.00</td>" in text
    assert not re.search(r"https?://", text)
    thumbnail = base64.b64decode((reader.all("img")[0]["src"] or "").partition(",")[2])
    assert max(Image.open(io.BytesIO(thumbnail)).size) == THUMBNAIL_PIXELS


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(source="other"), 1),
        (Filter(split="validation"), 1),
        (Filter(groups={"glasses": "yes"}), 2),
        (Filter(groups={"glasses": "yes"}, split="train"), 1),
        (Filter(most=2), 2),
    ],
)
def test_filters(folder: Path, wanted: Filter, count: int) -> None:
    assert page(folder, wanted)[0] == count


def test_nothing_to_show_or_an_unknown_division_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no record .* passes this filter"):
        write_contact_page(folder, folder / "page.html", Filter(source="nobody"))
    with pytest.raises(InputError, match=r"told apart by shoes; choose from age"):
        write_contact_page(folder, folder / "page.html", Filter(groups={"shoes": "yes"}))

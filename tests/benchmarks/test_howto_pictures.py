"""The pictures of the how-to pages: one command makes them all, small enough, and puts them where they belong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.apps.styles import all_styles
from limner.core.errors import ConfigError
from tests.apps.evaluation_desk import write_people
from tests.apps.tiny_models import save_tiny_miniature

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """Six people, a tiny model, and copies of the pages."""
    save_tiny_miniature(tmp_path / "model")
    write_people(tmp_path / "people", people=6)
    (tmp_path / "docs").mkdir()
    for page in DOCS.glob("howto-*.md"):
        (tmp_path / "docs" / page.name).write_text(page.read_text())
    return tmp_path


def test_every_page_gets_its_picture(opened: Any, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened("howto_pictures")
    drawable = [one for one in all_styles(None) if one.style.miniature is not None]
    monkeypatch.setattr(made, "all_styles", lambda _: drawable[:2])
    monkeypatch.setattr(made, "SCALES", (0.0, 1.0))
    monkeypatch.setattr(made, "STARTS", (0.5,))
    docs = workshop / "docs"
    made.main(workshop / "people", docs, str(workshop / "model"), 2, None)
    for topic in made.TOPICS:
        page = (docs / f"howto-{topic}.md").read_text()
        assert page.count(f"(pictures/howto-{topic}.webp)") == 1
        path = docs / "pictures" / f"howto-{topic}.webp"
        assert path.stat().st_size <= made.MAX_BYTES
        with Image.open(path) as picture:
            assert picture.format == "WEBP"
    made.main(workshop / "people", docs, str(workshop / "model"), 2, ["styles"])  # once more changes nothing twice
    assert (docs / "howto-styles.md").read_text().count("(pictures/howto-styles.webp)") == 1
    # A model that brings no network for poses leaves that page as it is.
    (workshop / "model" / "pose.safetensors").unlink()
    (docs / "pictures" / "howto-pose.webp").unlink()
    made.main(workshop / "people", docs, str(workshop / "model"), 2, ["pose"])
    assert not (docs / "pictures" / "howto-pose.webp").exists()


def test_what_cannot_be_shown_is_refused(opened: Any, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened("howto_pictures")
    monkeypatch.setattr(made, "MAX_BYTES", 9000)
    with pytest.raises(ConfigError, match="there is no topic swap"):
        made.main(workshop / "people", workshop / "docs", str(workshop / "model"), 2, ["swap"])
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="more than 9000 bytes"):
        made.encoded(made.Sheet([], [made.Tile(noise, "noise")], "noise", 1))

"""Styles: words around the prompt, perhaps a LoRA, and the settings that go with them, one TOML file each.

A file's folder is its theme. Limner brings its own in ``limner/styles``; a user's folder adds to them.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator

from limner.core.config import Config
from limner.core.errors import ConfigError
from limner.diffusion.samplers import require_sampler

PACKAGED = Path(__file__).resolve().parents[1] / "styles"
PLACEHOLDER = "{prompt}"
DEFAULT_SUBJECT = "a person"
"""What a style shows when nothing is asked for."""

BaseKind = Literal["any", "miniature", "sd15", "sdxl"]


class Style(Config):
    """What a style file says.

    Attributes:
        title: for people.
        prompt: sentence with the place of the user's words, ``{prompt}``.
        negative_prompt: what should not be seen; the user's own comes before it.
        miniature: the sentence for the embedded miniature, in words it was taught; None where it has none for this.
        base: kind of base the style is for.
        lora: LoRA of that base, a path from the style's file.
        lora_weight: multiplier of the LoRA.
        adapter_scale, guidance_scale, num_steps, scheduler: recommended; what the user says goes before.
    """

    title: str
    prompt: str
    negative_prompt: str = ""
    miniature: str | None = None
    base: BaseKind = "any"
    lora: Path | None = None
    lora_weight: float = Field(default=1.0, allow_inf_nan=False)
    adapter_scale: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    guidance_scale: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    num_steps: PositiveInt | None = None
    scheduler: str | None = None

    @field_validator("prompt", "miniature")
    @classmethod
    def _has_a_place(cls, sentence: str | None) -> str | None:
        if sentence is not None and sentence.count(PLACEHOLDER) != 1:
            raise ValueError(f"expected a sentence with {PLACEHOLDER} once, where the user's words go")
        return sentence

    @field_validator("scheduler")
    @classmethod
    def _is_known(cls, scheduler: str | None) -> str | None:
        if scheduler is not None:
            require_sampler(scheduler)
        return scheduler


@dataclass(frozen=True)
class FoundStyle:
    """A style and where it was found.

    Attributes:
        name: of the file, without its ending.
        theme: name of the folder the file lies in.
    """

    name: str
    theme: str
    path: Path
    style: Style

    @property
    def recommended(self) -> dict[str, Any]:
        """Settings by name, for what the user leaves open."""
        values = self.style.model_dump(include={"adapter_scale", "guidance_scale", "num_steps", "scheduler"})
        found = {name: value for name, value in values.items() if value is not None}
        if self.style.lora is not None:
            found |= {"lora": self.path.parent / self.style.lora, "lora_weight": self.style.lora_weight}
        return found

    def words(self, prompt: str, negative_prompt: str, base_kind: str) -> tuple[str, str]:
        """Prompt and negative prompt with the user's words in their places."""
        sentence = self.style.prompt
        if base_kind == "miniature" and self.style.miniature is not None:
            sentence = self.style.miniature
        negative = ", ".join(part for part in (negative_prompt, self.style.negative_prompt) if part)
        return sentence.replace(PLACEHOLDER, prompt), negative

    def require_base(self, base_kind: str) -> None:
        """Refuse another base than the style was made for.

        Raises:
            ConfigError: the base is of another kind.
        """
        if self.style.base not in ("any", base_kind):
            raise ConfigError(
                f"the style {self.name!r} is for {self.style.base}, this base is {base_kind}; choose another style, or "
                "another model (--model)"
            )


def style_files(folder: Path | None = None) -> dict[str, Path]:
    """Files by name of the style: Limner's own, and those in and below a user's folder.

    Raises:
        ConfigError: the folder is not there, or two styles have one name.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}; give the folder that holds your style files")
    files: dict[str, Path] = {}
    for root in (PACKAGED, *([folder] if folder else [])):
        for path in sorted(root.rglob("*.toml")):
            if path.stem in files:
                raise ConfigError(f"two styles have the name {path.stem!r}: {files[path.stem]} and {path}; rename one")
            files[path.stem] = path
    return files


def find_style(name: str, folder: Path | None = None) -> FoundStyle:
    """A style by name.

    Raises:
        ConfigError: there is none of that name, or its file is malformed; an unknown key is named.
    """
    files = style_files(folder)
    if name not in files:
        close = difflib.get_close_matches(name, files, n=1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"the style {name!r} is unknown{hint}; `limner styles` lists them")
    return _read(files[name])


def all_styles(folder: Path | None = None) -> Sequence[FoundStyle]:
    """Every style, by theme and name.

    Raises:
        ConfigError: a file is malformed.
    """
    return sorted((_read(path) for path in style_files(folder).values()), key=lambda found: (found.theme, found.name))


def _read(path: Path) -> FoundStyle:
    return FoundStyle(path.stem, path.parent.name, path, Style.read(path))

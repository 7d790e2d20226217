"""What of ComfyUI the nodes rely on, written from its published contract: the patcher, the block's order, the folders.

ComfyUI itself cannot be installed where the tests run. The contract, as its sources and documentation have it:

- ``model.clone()`` copies the options deeply; ``set_model_patch(patch, name)`` appends to
  ``model_options["transformer_options"]["patches"][name]``; ``get_model_object(name)`` gives parts of the model.
- A transformer block adds its self-attention, calls each ``middle_patch`` with the sum and the other transformer
  options, and goes on with what that returns. Among the options are ``block`` (list and number), ``block_index``,
  ``cond_or_uncond`` (one entry per chunk of the batch, 1 for the negative prompt) and ``sigmas``.
"""

import copy
import types
from pathlib import Path
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn


class StandInSampling:
    """Noise that falls in a straight line."""

    def percent_to_sigma(self, percent: float) -> float:
        return 999999999.9 if percent <= 0 else 0.0 if percent >= 1 else 10.0 * (1.0 - percent)


class StandInModel(nn.Module):
    """A diffusers UNet's blocks in the lists that ComfyUI keeps them in."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        nothing = nn.Identity()
        levels = [list(getattr(block, "attentions", ())) for block in unet.down_blocks]
        self.input_blocks = nn.ModuleList([nn.ModuleList([nothing])])
        for attentions in levels:
            for number in range(3):
                own = [attentions[number]] if number < len(attentions) else []
                self.input_blocks.append(nn.ModuleList([nothing, *own]))
        self.middle_block = nn.ModuleList([nothing, unet.mid_block.attentions[0], nothing])
        self.output_blocks = nn.ModuleList()
        for block in unet.up_blocks:
            attentions = list(getattr(block, "attentions", ()))
            for number in range(3):
                own = [attentions[number]] if number < len(attentions) else []
                self.output_blocks.append(nn.ModuleList([nothing, *own]))


class StandInPatcher:
    """ComfyUI's ``ModelPatcher``, as far as the nodes know it."""

    def __init__(self, unet: Any) -> None:
        self.unet = unet
        self.parts: dict[str, Any] = {"diffusion_model": StandInModel(unet), "model_sampling": StandInSampling()}
        self.model_options: dict[str, Any] = {"transformer_options": {}}

    def clone(self) -> "StandInPatcher":
        other = copy.copy(self)
        other.model_options = copy.deepcopy(self.model_options)
        return other

    def get_model_object(self, name: str) -> Any:
        return self.parts[name]

    def set_model_patch(self, patch: Any, name: str) -> None:
        patches = self.model_options["transformer_options"].setdefault("patches", {})
        patches[name] = [*patches.get(name, []), patch]

    def run(self, inputs: dict[str, Any], cond_or_uncond: list[int], sigma: float = 5.0) -> Tensor:
        """The UNet's prediction with every block in ComfyUI's order and its patches called."""
        options = {**self.model_options["transformer_options"], "cond_or_uncond": cond_or_uncond}
        options["sigmas"] = torch.full((1,), sigma)
        blocks = dict(self._blocks())
        before = {block: block.forward for block in blocks}
        try:
            for block, (where, index) in blocks.items():
                block.forward = types.MethodType(_forward({**options, "block": where, "block_index": index}), block)
            with torch.no_grad():
                return self.unet(**inputs, return_dict=False)[0]
        finally:
            for block, forward in before.items():
                block.forward = forward

    def _blocks(self) -> Any:
        model = self.parts["diffusion_model"]
        lists = {"input": model.input_blocks, "middle": [model.middle_block], "output": model.output_blocks}
        for kind, entries in lists.items():
            for number, entry in enumerate(entries):
                inner = [module for module in entry.modules() if isinstance(module, BasicTransformerBlock)]
                for index, block in enumerate(inner):
                    yield block, ((kind, number), index)


def _forward(options: dict[str, Any]) -> Any:
    patches = options.get("patches", {}).get("middle_patch", ())
    extra = {name: value for name, value in options.items() if name != "patches"}

    def forward(self: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: Any) -> Tensor:
        hidden_states = self.attn1(self.norm1(hidden_states)) + hidden_states
        for patch in patches:
            hidden_states = patch(hidden_states, extra)
        told = self.attn2(self.norm2(hidden_states), encoder_hidden_states=encoder_hidden_states)
        hidden_states = told + hidden_states
        return hidden_states + self.ff(self.norm3(hidden_states))

    return forward


def folder_paths(root: Path) -> types.ModuleType:
    """ComfyUI's module of that name over folders of the test's own."""
    module = types.ModuleType("folder_paths")
    known: dict[str, Any] = {}

    def files(kind: str) -> list[str]:
        return sorted(path.name for folder in known[kind][0] for path in Path(folder).glob("*") if path.is_file())

    def save_path(prefix: str, folder: str, width: int, height: int) -> tuple[str, str, int, str, str]:
        subfolder, _, name = prefix.rpartition("/")
        target = Path(folder) / subfolder
        target.mkdir(parents=True, exist_ok=True)
        return str(target), name, len(list(target.glob(f"{name}_*"))) + 1, subfolder, prefix

    given: dict[str, Any] = {
        "models_dir": str(root / "models"),
        "folder_names_and_paths": known,
        "add_model_folder_path": lambda kind, path: known.setdefault(kind, ([path], set())),
        "get_folder_paths": lambda kind: known[kind][0],
        "get_filename_list": files,
        "get_full_path": lambda kind, name: str(Path(known[kind][0][0]) / name),
        "get_input_directory": lambda: str(root / "input"),
        "get_output_directory": lambda: str(root / "output"),
        "get_annotated_filepath": lambda name: str(root / "input" / name),
        "exists_annotated_filepath": lambda name: (root / "input" / name).is_file(),
        "get_save_image_path": save_path,
    }
    for name, value in given.items():
        setattr(module, name, value)
    return module

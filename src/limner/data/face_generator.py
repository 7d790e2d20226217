"""The face generator: MobileStyleGAN, read from an OpenVINO IR pair into plain torch.

A style-based generator (StyleGAN2's layout, arXiv:1912.04958) whose blocks predict Haar wavelet bands
instead of upsampled features (MobileStyleGAN, arXiv:2104.04767). The weights are the ones inside the PyPI
wheel ``random-face``; they are read from a path, never shipped. Licence: see ``licences``.

The inverse wavelet transform is written as one 1x1 convolution and a pixel shuffle. The exported graph holds
six transposed convolutions there; on a CPU they are three quarters of its time.
"""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.core.errors import InputError

STYLE_WIDTH = 512
NUM_STYLES = 8
"""One style for the 4 px start and one for each of the seven wavelet blocks (8 to 512 px)."""
NETWORKS = ("MappingNetwork", "SynthesisNetwork")
SOURCE = "pip download --no-deps random-face==2021.7.21.1 && unzip random_face-2021.7.21.1-*.whl"
"""Commands that put the networks into ``random_face/data``. Installing the wheel would bring a demo's notebooks."""


class IrGraph:
    """Constants of an OpenVINO IR file, found by the name of the constant or of the layer that reads it."""

    def __init__(self, xml: Path) -> None:
        root = ElementTree.parse(xml).getroot()
        weights = xml.with_suffix(".bin").read_bytes()
        self.constants: dict[str, Tensor] = {}
        self.kinds: dict[str, str] = {}
        names: dict[str, str] = {}
        for layer in root.iterfind("layers/layer"):
            name, kind = layer.attrib["name"], layer.attrib["type"]
            names[layer.attrib["id"]] = name
            self.kinds[name] = kind
            data = layer.find("data")
            if kind != "Const" or data is None or data.attrib["element_type"] not in ("f32", "f16"):
                continue
            dtype = np.float32 if data.attrib["element_type"] == "f32" else np.float16
            start, size = int(data.attrib["offset"]), int(data.attrib["size"])
            shape = [int(n) for n in data.attrib["shape"].split(",") if n.strip()]
            values = np.frombuffer(weights[start : start + size], dtype).reshape(shape)
            self.constants[name] = torch.from_numpy(values.astype(np.float32))
        self.inputs: dict[str, dict[int, str]] = {}
        for edge in root.iterfind("edges/edge"):
            reader = names[edge.attrib["to-layer"]]
            self.inputs.setdefault(reader, {})[int(edge.attrib["to-port"])] = names[edge.attrib["from-layer"]]

    def constant_inputs(self, reader: str) -> list[Tensor]:
        """Float constants that ``reader`` takes, in port order."""
        ports = self.inputs.get(reader, {})
        return [self.constants[ports[port]] for port in sorted(ports) if ports[port] in self.constants]

    def readers(self, source: str, kind: str) -> list[str]:
        """Layers of ``kind`` that take the output of ``source``."""
        return [name for name, ports in self.inputs.items() if source in ports.values() and self.kinds[name] == kind]

    def layers_of(self, kind: str) -> list[str]:
        return [name for name, layer_kind in self.kinds.items() if layer_kind == kind]


class StyleMapping(nn.Module):
    """Noise ``(batch, 512)`` -> style ``(batch, 512)``: pixel norm, then linear layers with leaky ReLU."""

    def __init__(self, xml: Path) -> None:
        super().__init__()
        graph = IrGraph(xml)
        self.layers = nn.ModuleList()
        for matmul in graph.layers_of("MatMul"):
            (add,) = graph.readers(matmul, "Add")
            (reshape,) = (source for source in graph.inputs[add].values() if source != matmul)
            linear = nn.Linear(STYLE_WIDTH, STYLE_WIDTH)
            linear.weight = nn.Parameter(graph.constant_inputs(matmul)[0], requires_grad=False)
            linear.bias = nn.Parameter(graph.constant_inputs(reshape)[0], requires_grad=False)
            self.layers.append(linear)

    def forward(self, noise: Tensor) -> Tensor:
        style = noise * torch.rsqrt(noise.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            style = F.leaky_relu(layer(style), 0.2) * math.sqrt(2)
        return style


def inverse_haar_weight(channels: int) -> Tensor:
    """1x1 weight ``(4 channels, 4 channels, 1, 1)`` that turns wavelet bands into 2x2 pixel blocks.

    Input order: ``channels`` low bands, then three high bands per channel. Output order: what
    ``pixel_shuffle(2)`` expects, channel-major.
    """
    weight = torch.zeros(4 * channels, 4 * channels)
    signs = (1.0, -1.0)
    for c in range(channels):
        for row in range(2):
            for column in range(2):
                block = weight[4 * c + 2 * row + column]
                high = channels + 3 * c
                block[c] = 0.5
                block[high] = 0.5 * signs[row]
                block[high + 1] = 0.5 * signs[column]
                block[high + 2] = 0.5 * signs[row] * signs[column]
    return weight[:, :, None, None]


class _Modulated(nn.Module):
    """Per-channel scale from a style: ``(batch, 512)`` -> ``(batch, channels, 1, 1)``."""

    weight: Tensor
    bias: Tensor

    def __init__(self, graph: IrGraph, name: str, gain: float) -> None:
        super().__init__()
        self.register_buffer("weight", graph.constants[f"{name}.modulation.weight"] * gain)
        self.register_buffer("bias", graph.constants[f"{name}.modulation.bias"].reshape(-1) * gain)

    def forward(self, style: Tensor) -> Tensor:
        return F.linear(style.to(self.weight.dtype), self.weight, self.bias)[:, :, None, None]


class _StyledConvolution(nn.Module):
    """Scale by style, convolve (depthwise 3x3 then 1x1, or one 3x3), add fixed noise and bias, leaky ReLU."""

    depthwise: Tensor | None
    weight: Tensor
    offset: Tensor

    def __init__(self, graph: IrGraph, name: str, scale_constant: float) -> None:
        super().__init__()
        self.modulation = _Modulated(graph, f"{name}.conv", scale_constant)
        bias_name = f"{name}.bias"
        (bias_add,) = graph.readers(bias_name, "Add")
        noise_add = next(source for source in graph.inputs[bias_add].values() if source != bias_name)
        convolution = next(s for s in graph.inputs[noise_add].values() if s not in graph.constants)
        depthwise = graph.constants.get(f"{name}.conv.weight_dw")
        self.register_buffer("depthwise", None if depthwise is None else depthwise.squeeze(1))
        self.register_buffer("weight", graph.constant_inputs(convolution)[0])
        self.register_buffer("offset", graph.constant_inputs(noise_add)[0] + graph.constants[bias_name])

    def forward(self, hidden: Tensor, style: Tensor) -> Tensor:
        hidden = hidden * self.modulation(style)
        if self.depthwise is not None:
            hidden = F.conv2d(hidden, self.depthwise, padding=1, groups=hidden.shape[1])
            hidden = F.conv2d(hidden, self.weight)
        else:
            hidden = F.conv2d(hidden, self.weight, padding=1)
        return F.leaky_relu_(hidden.add_(self.offset), 0.2)


class _WaveletBlock(nn.Module):
    """Double the side by an inverse wavelet transform, then two styled convolutions."""

    inverse_haar: Tensor

    def __init__(self, graph: IrGraph, name: str) -> None:
        super().__init__()
        self.up = _Modulated(graph, f"{name}.up", 1.0)
        self.register_buffer("inverse_haar", inverse_haar_weight(self.up.bias.shape[0] // 4))
        self.conv1 = _StyledConvolution(graph, f"{name}.conv1", _style_gain(graph, f"{name}.conv1.conv"))
        self.conv2 = _StyledConvolution(graph, f"{name}.conv2", _style_gain(graph, f"{name}.conv2.conv"))

    def forward(self, hidden: Tensor, style: Tensor) -> Tensor:
        hidden = F.pixel_shuffle(F.conv2d(hidden.mul_(self.up(style)), self.inverse_haar), 2)
        return self.conv2(self.conv1(hidden, style), style)


def _style_gain(graph: IrGraph, name: str) -> float:
    """The constant by which the graph multiplies a modulation (He scaling of the following convolution)."""
    (matmul,) = graph.readers(f"{name}.modulation.weight", "MatMul")
    (add,) = graph.readers(matmul, "Add")
    (reshape,) = graph.readers(add, "Reshape")
    (multiply,) = graph.readers(reshape, "Multiply")
    constants = graph.constant_inputs(multiply)
    return float(constants[0].reshape(-1)[0]) if constants else 1.0


class FaceGenerator(nn.Module):
    """Styles ``(batch, 8, 512)`` -> faces ``(batch, 3, 512, 512)`` in about [-1, 1], RGB.

    The network's own output has 1024 px. Its last step is an inverse wavelet transform, so the low band of
    that step, halved, is exactly the 2x2 average of the full picture; this class stops there.

    Raises:
        InputError: the folder lacks a file of the networks.
    """

    start: Tensor
    image_weight: Tensor
    image_bias: Tensor

    def __init__(self, folder: Path) -> None:
        super().__init__()
        _require_networks(folder)
        graph = IrGraph(folder / "SynthesisNetwork.xml")
        self.mapping = StyleMapping(folder / "MappingNetwork.xml")
        self.register_buffer("start", graph.constants["m.input.input"])
        self.start_conv = _StyledConvolution(graph, "m.conv1", _style_gain(graph, "m.conv1.conv"))
        self.blocks = nn.ModuleList(_WaveletBlock(graph, f"m.layers.{i}") for i in range(NUM_STYLES - 1))
        last = f"m.layers.{NUM_STYLES - 2}.to_img"
        self.to_image = _Modulated(graph, f"{last}.conv", _style_gain(graph, f"{last}.conv"))
        self.register_buffer("image_weight", graph.constants[f"{last}.conv.weight"][:3] / 2)
        self.register_buffer("image_bias", graph.constants[f"{last}.bias"][:, :3] / 2)

    def draw_in(self, precision: torch.dtype) -> None:
        """Have pictures computed in this precision; styles, which say who it is, stay in float32."""
        for part in (self.start_conv, self.blocks, self.to_image):
            part.to(precision)
        for name in ("start", "image_weight", "image_bias"):
            setattr(self, name, getattr(self, name).to(precision))

    @torch.no_grad()
    def styles(self, noise: Tensor) -> Tensor:
        """Noise ``(batch, 512)`` from a standard normal -> one style ``(batch, 512)`` each, float32."""
        return self.mapping(noise.float())

    @torch.no_grad()
    def forward(self, styles: Tensor) -> Tensor:
        style: Sequence[Tensor] = styles.unbind(dim=1)
        hidden = self.start.expand(styles.shape[0], -1, -1, -1)
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        hidden = self.start_conv(hidden, style[0])
        for block, block_style in zip(self.blocks, style[1:], strict=True):
            hidden = block(hidden, block_style)
        image = F.conv2d(hidden * self.to_image(style[-1]), self.image_weight) + self.image_bias
        return image.float()


def _require_networks(folder: Path) -> None:
    files = [f"{network}{ending}" for network in NETWORKS for ending in (".xml", ".bin")]
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise InputError(
            f"{folder} has no {', '.join(missing)}; give the folder random_face/data of the wheel random-face: {SOURCE}"
        )

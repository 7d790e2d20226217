"""Reading OpenVINO IR files, the wavelet transform as a convolution, and what is said where files are missing."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from limner.core.errors import InputError
from limner.data.face_generator import NUM_STYLES, FaceGenerator, IrGraph, StyleMapping, inverse_haar_weight


class Ir:
    """A hand-made IR pair: layers by name, edges between them, constants in the binary."""

    def __init__(self) -> None:
        self.layers: list[str] = []
        self.edges: list[str] = []
        self.names: list[str] = []
        self.binary = b"head"  # an offset that is not 0

    def constant(self, name: str, values: np.ndarray, element_type: str = "f32") -> None:
        data = values.tobytes()
        shape = ",".join(map(str, values.shape))
        attributes = f'element_type="{element_type}" offset="{len(self.binary)}" size="{len(data)}" shape="{shape}"'
        self.binary += data
        self._add(name, "Const", f"<data {attributes}/>")

    def layer(self, name: str, kind: str, *sources: str) -> None:
        self._add(name, kind, "")
        for port, source in enumerate(sources):
            start, end = self.names.index(source), self.names.index(name)
            self.edges.append(f'<edge from-layer="{start}" from-port="0" to-layer="{end}" to-port="{port}"/>')

    def write(self, path: Path) -> Path:
        edges = "".join(reversed(self.edges))  # the order of edges means nothing
        path.write_text(f"<net><layers>{''.join(self.layers)}</layers><edges>{edges}</edges></net>")
        path.with_suffix(".bin").write_bytes(self.binary)
        return path

    def _add(self, name: str, kind: str, inner: str) -> None:
        self.layers.append(f'<layer id="{len(self.names)}" name="{name}" type="{kind}">{inner}</layer>')
        self.names.append(name)


def test_constants_and_readers(tmp_path: Path) -> None:
    ir = Ir()
    ir.constant("full", np.arange(6, dtype=np.float32).reshape(2, 3))
    ir.constant("half", np.array([1.5, -2.0], np.float16), "f16")
    ir.constant("axis", np.array([1], np.int64), "i64")
    ir.constant("scalar", np.array(7.0, np.float32))
    ir.layer("input", "Parameter")
    ir.layer("sum", "Add", "half", "input", "full")
    ir.layer("scaled", "Multiply", "sum", "scalar")
    graph = IrGraph(ir.write(tmp_path / "a.xml"))
    assert set(graph.constants) == {"full", "half", "scalar"}
    assert torch.equal(graph.constants["full"], torch.arange(6.0).view(2, 3))
    assert torch.equal(graph.constants["half"], torch.tensor([1.5, -2.0]))
    assert graph.constants["scalar"].shape == ()
    assert all(value.dtype == torch.float32 for value in graph.constants.values())
    assert [tuple(value.shape) for value in graph.constant_inputs("sum")] == [(2,), (2, 3)]  # by port
    assert graph.constant_inputs("input") == []
    assert graph.readers("half", "Add") == ["sum"]
    assert graph.readers("half", "Multiply") == []
    assert graph.layers_of("Const") == ["full", "half", "axis", "scalar"]


def test_the_mapping_normalises_then_runs_its_layers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    ir, width = Ir(), 5
    ir.layer("noise", "Parameter")
    parts = []
    source = "noise"
    for index in range(2):
        weight, bias = random.normal(size=(width, width)), random.normal(size=(1, width))
        parts.append((weight.astype(np.float32), bias.astype(np.float32)))
        ir.constant(f"w{index}", parts[-1][0])
        ir.constant(f"b{index}", parts[-1][1])
        ir.layer(f"reshape{index}", "Reshape", f"b{index}")
        ir.layer(f"matmul{index}", "MatMul", source, f"w{index}")
        ir.layer(f"add{index}", "Add", f"matmul{index}", f"reshape{index}")
        source = f"add{index}"
    mapping = StyleMapping(ir.write(tmp_path / "mapping.xml"))
    noise = random.normal(size=(3, width))
    hidden = noise / np.sqrt((noise**2).mean(axis=1, keepdims=True))
    for weight, bias in parts:
        hidden = hidden @ weight.T + bias
        hidden = np.where(hidden > 0, hidden, 0.2 * hidden) * math.sqrt(2)
    torch.testing.assert_close(mapping(torch.from_numpy(noise).float()), torch.from_numpy(hidden).float())
    assert not any(parameter.requires_grad for parameter in mapping.parameters())


def explicit_inverse_haar(bands: Tensor, channels: int) -> Tensor:
    """The orthonormal 2x2 inverse transform, one pixel at a time."""
    batch, _, height, width = bands.shape
    out = torch.zeros(batch, channels, 2 * height, 2 * width)
    for channel in range(channels):
        low, rows, columns, both = bands[:, [channel, *(channels + 3 * channel + i for i in range(3))]].unbind(1)
        for i, vertical in enumerate((1, -1)):
            for j, horizontal in enumerate((1, -1)):
                pixel = (low + vertical * rows + horizontal * columns + vertical * horizontal * both) / 2
                out[:, channel, i::2, j::2] = pixel
    return out


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_inverse_wavelet_transform_as_a_convolution(channels: int) -> None:
    bands = torch.randn(2, 4 * channels, 3, 5, generator=torch.Generator().manual_seed(0))
    made = F.pixel_shuffle(F.conv2d(bands, inverse_haar_weight(channels)), 2)
    torch.testing.assert_close(made, explicit_inverse_haar(bands, channels))
    # Orthonormal: energy stays, and half the low band is the mean of each 2x2 block.
    torch.testing.assert_close(made.square().sum(), bands.square().sum())
    torch.testing.assert_close(F.avg_pool2d(made, 2), bands[:, :channels] / 2)


def test_missing_networks_are_named_with_the_command_that_gets_them(tmp_path: Path) -> None:
    (tmp_path / "MappingNetwork.xml").touch()
    (tmp_path / "SynthesisNetwork.bin").touch()
    with pytest.raises(InputError) as refused:
        FaceGenerator(tmp_path)
    told = str(refused.value)
    assert "MappingNetwork.bin, SynthesisNetwork.xml" in told
    assert "pip download --no-deps random-face==2021.7.21.1" in told
    assert "unzip" in told


def test_the_precision_of_pictures_is_not_that_of_styles() -> None:
    """Needs the wheel random-face (`make synthesis`)."""
    spec = importlib.util.find_spec("random_face")
    if spec is None or spec.origin is None:
        pytest.skip("make synthesis installs the face generator")
    generator = FaceGenerator(Path(spec.origin).parent / "data")
    noise = torch.randn(1, 512, generator=torch.Generator().manual_seed(3))
    styles = generator.styles(noise)[:, None].expand(-1, NUM_STYLES, -1)
    picture = generator(styles)
    generator.draw_in(torch.bfloat16)
    assert torch.equal(generator.styles(noise), styles[:, 0])
    coarse = generator(styles.bfloat16())
    assert coarse.dtype == torch.float32
    # Of pictures in [-1, 1]: 0.003 was measured, another person is 0.7 away.
    assert 0 < (coarse - picture).abs().mean() < 0.01

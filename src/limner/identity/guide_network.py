"""The guide in torch: the packaged network itself, so that a loss may follow its gradient.

:class:`~limner.identity.recognition.GuideRecognizer` runs the same file in OpenCV, which is faster and gives no
gradient. Only the operators of that file are known here; what each does is the ONNX operator specification's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.core.assets import asset_path
from limner.core.errors import CheckpointError, MissingExtraError

GUIDE_WIDTH = 512
"""Numbers of an embedding."""
Operator = Callable[[Sequence[Tensor], Mapping[str, Any]], Tensor]
"""Inputs and attributes of one node -> its only output."""


class GuideNetwork(nn.Module):
    """``(batch, 3, 112, 112)`` RGB in [-1, 1], aligned to arcface-112 -> unit vectors ``(batch, 512)``; frozen.

    The vectors are those of the feature space ``GUIDE_SPACE``, up to rounding.

    Raises:
        MissingExtraError: the package onnx, which reads the file, is not installed.
        CheckpointError: the file is missing, or holds an operator that is not known here.
    """

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        path = path or asset_path("faceplugin/fr_feature.onnx")
        onnx = _onnx()
        graph = onnx.load(path).graph
        unknown = {node.op_type for node in graph.node} - OPERATORS.keys()
        if unknown:
            raise CheckpointError(f"{path} holds operators that are not known here: {', '.join(sorted(unknown))}")
        self._nodes = [
            (
                OPERATORS[node.op_type],
                tuple(node.input),
                node.output[0],
                {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute},
            )
            for node in graph.node
        ]
        self._output = graph.output[0].name
        self._weights = {one.name: f"weight_{number}" for number, one in enumerate(graph.initializer)}
        [self._input] = [one.name for one in graph.input if one.name not in self._weights]
        for one in graph.initializer:
            self.register_buffer(self._weights[one.name], torch.from_numpy(onnx.numpy_helper.to_array(one).copy()))

    def layers(self) -> Iterator[list[Tensor]]:
        """Weights of each convolution (weight, bias) and activation (slopes), from the first to the last."""
        for _, inputs, _, _ in self._nodes:
            own = [getattr(self, self._weights[name]) for name in inputs if name in self._weights]
            if own:
                yield own

    def forward(self, faces: Tensor) -> Tensor:
        values: dict[str, Tensor] = {name: getattr(self, buffer) for name, buffer in self._weights.items()}
        # The network was trained on blue-green-red input.
        values[self._input] = faces.flip(1)
        for operator, inputs, output, about in self._nodes:
            values[output] = operator([values[name] for name in inputs], about)
        return F.normalize(values[self._output], dim=1)


def _conv(inputs: Sequence[Tensor], about: Mapping[str, Any]) -> Tensor:
    top, left, bottom, right = about["pads"]
    hidden, weight, *bias = inputs
    return F.conv2d(
        F.pad(hidden, (left, right, top, bottom)),
        weight,
        bias[0] if bias else None,
        stride=tuple(about["strides"]),
        dilation=tuple(about["dilations"]),
        groups=about["group"],
    )


OPERATORS: Mapping[str, Operator] = {
    "Add": lambda inputs, _: inputs[0] + inputs[1],
    "Conv": _conv,
    "PRelu": lambda inputs, _: F.prelu(inputs[0], inputs[1].flatten()),
    # The file's shape folds a batch into one row; every row here is a face of its own.
    "Reshape": lambda inputs, _: inputs[0].flatten(1),
}


def _onnx() -> Any:
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise MissingExtraError(
            "the guide's file is read with onnx, which is not installed; install it with: pip install onnx"
        ) from error
    return onnx

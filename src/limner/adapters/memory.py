"""What trained networks made of faces, kept from call to call: bounded, and empty once it is closed."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Parts = tuple[Tensor, ...]


class FaceMemory:
    """Remembers by content what a network made of each row of a batch.

    For networks in evaluation mode whose rows do not depend on each other. A face is known by its numbers, so the same
    photo in another object is the same face; after any change of the network's weights nothing old is found. Only
    results are kept, never a photo; those used longest ago go first.

    Args:
        capacity: so many results are kept. A person takes two, one of the projector and one of the adapter.
    """

    def __init__(self, capacity: int = 64) -> None:
        self.capacity = capacity
        self._kept: OrderedDict[bytes, Parts] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @torch.no_grad()
    def rows(self, network: nn.Module, function: Callable[[Tensor], Parts], inputs: Tensor) -> Parts:
        """``function(inputs)``, computed for those rows only of which it is not remembered.

        Args:
            network: whose weights ``function`` uses.
            function: from ``(rows, ...)`` to tensors ``(rows, ...)``.
            inputs: ``(rows, ...)``.
        """
        weights = _state_of(network)
        names = [_digest(weights, row) for row in inputs]
        missing = {name: number for number, name in enumerate(names) if name not in self._kept}
        known = {name: self._kept[name] for name in names if name in self._kept}
        if missing:
            made = function(inputs[list(missing.values())])
            # Copies, since a view of one row would keep those of all others.
            known |= {name: tuple(part[row : row + 1].clone() for part in made) for row, name in enumerate(missing)}
        for name in names:
            self._kept[name] = known[name]
            self._kept.move_to_end(name)
        while len(self._kept) > self.capacity:
            self._kept.popitem(last=False)
        return tuple(_together(parts) for parts in zip(*(known[name] for name in names), strict=True))

    def close(self) -> None:
        """Forget everything, and keep nothing from now on."""
        self.capacity = 0
        self._kept.clear()


def _together(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _state_of(network: nn.Module) -> bytes:
    """Other bytes after a weight was changed, moved or converted."""
    marks = [(parameter.data_ptr(), parameter._version, str(parameter.dtype)) for parameter in network.parameters()]
    return repr((id(network), marks)).encode()


def _digest(weights: bytes, row: Tensor) -> bytes:
    content = row.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
    return hashlib.blake2b(weights + repr((row.dtype, row.shape)).encode() + content, digest_size=16).digest()

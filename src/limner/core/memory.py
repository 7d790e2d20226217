"""Results kept from call to call: so many at most, those used longest ago go first, and none once it is closed."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from torch import nn

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """What was computed before, by name.

    Args:
        capacity: so many results are kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._kept: OrderedDict[bytes, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, name: bytes) -> Value | None:
        """What is kept under this name, now used; None if nothing is."""
        if name not in self._kept:
            return None
        self._kept.move_to_end(name)
        return self._kept[name]

    def keep(self, name: bytes, value: Value) -> None:
        """Keep a result; it is shared from now on, so nobody may change it."""
        self._kept[name] = value
        self._kept.move_to_end(name)
        while len(self._kept) > self.capacity:
            self._kept.popitem(last=False)

    def close(self) -> None:
        """Forget everything, and keep nothing from now on."""
        self.capacity = 0
        self._kept.clear()


def weights_mark(network: "nn.Module") -> bytes:
    """Other bytes for another network, and after a weight was changed in place, moved or converted."""
    marks = [(parameter.data_ptr(), parameter._version, str(parameter.dtype)) for parameter in network.parameters()]
    return repr((id(network), marks)).encode()

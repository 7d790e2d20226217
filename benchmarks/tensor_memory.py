"""How much memory computing needs, counted by the tensors that it makes; sizes only, so fake tensors do as well."""

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorMemory(TorchDispatchMode):
    """Bytes of the tensors that were made inside and are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._known: dict[int, weakref.finalize] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage(), given)
        return out

    def _see(self, storage: Any, given: set[int]) -> None:
        name = storage._cdata
        if name in given or name in self._known:
            return
        self.alive += storage.nbytes()
        self.peak = max(self.peak, self.alive)
        self._known[name] = weakref.finalize(storage, self._gone, name, storage.nbytes())

    def _gone(self, name: int, size: int) -> None:
        self.alive -= size
        self._known.pop(name, None)

"""Face detail: how far what a recogniser makes of a predicted face is from what it makes of the true one."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F


def face_detail_loss(seen: Sequence[Tensor], aims: Sequence[Tensor], weight: Tensor) -> Tensor:
    """Weighted mean over rows of the squared distance between unit vectors, averaged over places and over maps.

    As LPIPS (arXiv:1801.03924) before its learned weights.

    Args:
        seen: maps ``(rows, channels, height, width)`` of what was predicted; sizes may differ between maps.
        aims: the same of what is true.
        weight: ``(rows,)``, not negative. The mean is over rows, not over weights.
    """
    distances = sum(
        (F.normalize(one.float(), dim=1) - F.normalize(aim.float(), dim=1)).square().sum(dim=1).mean(dim=(1, 2))
        for one, aim in zip(seen, aims, strict=True)
    )
    return (distances * weight).sum() / (len(seen) * max(len(weight), 1))

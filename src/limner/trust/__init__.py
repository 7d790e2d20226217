"""Pictures that say what they are, and the rules of what is refused. Knows only the ground, ``core``."""

from limner.trust.checking import Verdict, check_picture
from limner.trust.making import Making, Source
from limner.trust.marks import MarkedPicture, mark_picture, save_picture
from limner.trust.settings import TrustSettings
from limner.trust.watermark import Watermark, watermarks

__all__ = [
    "Making",
    "MarkedPicture",
    "Source",
    "TrustSettings",
    "Verdict",
    "Watermark",
    "check_picture",
    "mark_picture",
    "save_picture",
    "watermarks",
]

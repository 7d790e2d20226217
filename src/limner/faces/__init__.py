"""Pixels to geometry: finding, aligning, measuring and parsing faces. Knows neither identity nor diffusion."""

from limner.faces.alignment import TEMPLATES, align, paste_back
from limner.faces.analysis import FaceAnalysis, FaceAnalyzer
from limner.faces.detection import FaceDetector, select_face
from limner.faces.face import AlignedFace, Face
from limner.faces.parsing import ParsingLabel, region_mask
from limner.faces.pose import HeadPose

__all__ = [
    "TEMPLATES",
    "AlignedFace",
    "Face",
    "FaceAnalysis",
    "FaceAnalyzer",
    "FaceDetector",
    "HeadPose",
    "ParsingLabel",
    "align",
    "paste_back",
    "region_mask",
    "select_face",
]

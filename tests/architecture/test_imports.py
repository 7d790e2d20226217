"""Imports go one way, and a made-up wrong one is caught."""

import pytest

from tests.architecture.imports import SOURCE, USES, Import, all_imports, complaint, cycles, imports_of

CV2_ROOMS = (
    "limner.faces",
    "limner.data",
    "limner.identity.recognition",
    "limner.identity.judge",
    "limner.evaluation.classifiers",
)


def test_every_room_is_known() -> None:
    rooms = {path.parent.name for path in (SOURCE / "limner").glob("*/__init__.py")}
    assert rooms - {*USES, "apps"} == set()


def test_imports_go_one_way() -> None:
    wrong = [(edge, why) for edge in all_imports() if (why := complaint(edge))]
    assert [f"{edge.importer}:{edge.line} imports {edge.imported}: {why}" for edge, why in wrong] == []


def test_rooms_have_no_cycles() -> None:
    assert cycles(all_imports()) == []


def test_the_allowed_edges_have_no_cycles() -> None:
    assert cycles([Import(f"limner.{room}.a", f"limner.{used}.b", 1) for room in USES for used in USES[room]]) == []


def test_a_cycle_through_a_third_room_is_caught() -> None:
    edges = [
        Import("limner.a.x", "limner.b.x", 1),
        Import("limner.b.x", "limner.c.x", 1),
        Import("limner.c.x", "limner.a.y", 1),
        Import("limner.d.x", "limner.a.x", 1),
    ]
    assert cycles(edges) == ["a", "b", "c"]


def test_opencv_stays_where_photos_are_measured() -> None:
    users = {edge.importer for edge in all_imports() if edge.imported.split(".")[0] == "cv2"}
    assert [user for user in sorted(users) if not user.startswith(CV2_ROOMS)] == []


@pytest.mark.parametrize("package", ["insightface", "torchvision", "timm"])
def test_packages_that_limner_does_without(package: str) -> None:
    assert [edge.importer for edge in all_imports() if edge.imported.split(".")[0] == package] == []


@pytest.mark.parametrize(
    ("importer", "statement", "why"),
    [
        ("limner.core.images", "from limner.faces.face import Face", "core may not know faces"),
        ("limner.core.images", "import limner.faces.face", "core may not know faces"),
        ("limner.core.images", "from limner import faces", "core may not know faces"),
        ("limner.core.images", "from .. import faces", "core may not know faces"),
        ("limner.core.images", "from ..faces.face import Face", "core may not know faces"),
        ("limner.core.images", "def read():\n    import limner.faces", "core may not know faces"),
        ("limner.core.images", "from limner import Studio", "a room imports rooms, not the root"),
        ("limner.losses.increment", "from limner.faces.parsing import FaceParser", "losses may not know faces"),
        ("limner.diffusion.text", "import limner.losses.denoising", "diffusion may not know losses"),
        ("limner.faces.face", "from limner.diffusion.text import encode", "faces may not know diffusion"),
        ("limner.adapters.adapter", "from limner.data.record import FaceRecord", "adapters may not know data"),
        ("limner.data.record", "from limner.adapters.adapter import Adapter", "data may not know adapters"),
        ("limner.data.synthesis", "from limner.diffusion import text", "data may not know diffusion"),
        ("limner.systems.fact", "from limner.training.loop import train", "systems may not know training"),
        ("limner.training.loop", "from limner.systems.fact import Fact", "training sees only limner.systems.contract"),
        ("limner.evaluation.report", "from limner.systems import fact", "evaluation sees only limner.systems.contract"),
        ("limner.training.loop", "import limner.evaluation.metrics", "training may not know evaluation"),
        ("limner.trust.consent", "from limner.identity.identity import Identity", "trust may not know identity"),
        ("limner.core.config", "import limner.apps.cli", "core may not know apps"),
        ("limner.apps.cli", "from limner.systems.fact import Fact", "only limner.apps.assembly names concrete systems"),
    ],
)
def test_a_forbidden_edge_is_caught(importer: str, statement: str, why: str) -> None:
    complaints = {complaint(edge) for edge in imports_of(statement, importer, is_package=False)}
    assert any(told and why in told for told in complaints)


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("limner", "from limner.apps.assembly import Studio"),
        ("limner.apps.assembly", "from limner.systems.fact import Fact"),
        ("limner.apps.cli", "from limner.systems.contract import Trainable"),
        ("limner.training.loop", "from limner.systems.contract import Trainable"),
        ("limner.systems.fact", "from .contract import Objective"),
        ("limner.systems.fact", "from limner.data.record import FaceRecord"),
        ("limner.faces.face", "import numpy as np"),
        ("limner.identity.vit", "from torch import nn"),
    ],
)
def test_allowed_edges_pass(importer: str, statement: str) -> None:
    assert [complaint(edge) for edge in imports_of(statement, importer, is_package=False) if complaint(edge)] == []

"""Where the thresholds of `limner data prepare` come from: python benchmarks/preparing.py ../shared/data

Photo sets with known people (stored landmarks, no detection): how like its medoid a person's photo is, and a
stranger's; which clustering threshold finds the people; how many bits copies and other photos of a person differ in.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from limner.data.photo_sets import read_photos
from limner.data.preparing.clustering import cluster
from limner.data.preparing.framing import frame, square_around
from limner.data.preparing.identity_purge import medoid
from limner.data.preparing.near_duplicates import bits_apart, perceptual_hash
from limner.faces.alignment import align
from limner.faces.face import Face
from limner.identity.recognition import GuideRecognizer

SETS = ("glint-celebs", "celeba-wild", "london-set", "omi-synthetic-ids")
MOST_PHOTOS = 500
EDITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "jpeg 40": lambda image: np.asarray(
        cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1)
    ),
    "half size": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "brighter": lambda image: np.clip(image * 1.2 + 8, 0, 255).astype(np.uint8),
    "2 % crop": lambda image: image[len(image) // 50 : -(len(image) // 50), len(image) // 50 : -(len(image) // 50)],
}


def main(data: Path) -> None:
    guide = GuideRecognizer()
    for name in SETS:
        people: dict[str, list[tuple[np.ndarray, str]]] = {}
        copies: dict[str, list[int]] = {edit: [] for edit in EDITS}
        for count, (_, image, about) in enumerate(read_photos(data / name)):
            if count == MOST_PHOTOS:
                break
            face = Face(tuple(about["face_box"]), np.asarray(about["landmarks"], np.float32), 1.0)
            vector = guide.embed([align(image, face.landmarks)]).vector[0]
            square = square_around(face, image.shape[1], image.shape[0], framing=1.5)
            picture = frame(image, face, square, pixels=256)[0]
            digest = perceptual_hash(picture)
            people.setdefault(about["identity"], []).append((vector, digest))
            for edit, change in EDITS.items():
                copies[edit].append(bits_apart(digest, perceptual_hash(np.ascontiguousarray(change(picture)))))
        print(f"\n{name}: {len(people)} people, {sum(map(len, people.values()))} photos")
        report_medoids([np.stack([v for v, _ in photos]) for photos in people.values() if len(photos) > 2])
        report_clusters(people)
        report_bits(people, copies)


def report_medoids(people: list[np.ndarray]) -> None:
    if len(people) < 2:
        return
    own, strangers = [], []
    for number, vectors in enumerate(people):
        middle = medoid(vectors)
        similar = vectors @ vectors[middle]
        own += [float(value) for row, value in enumerate(similar) if row != middle]
        other = people[(number + 1) % len(people)]
        strangers += [float(value) for value in other @ vectors[middle]]
    for threshold in (0.1, 0.15, 0.2, 0.25, 0.3, 0.36):
        kept, caught = np.mean(np.array(own) < threshold), np.mean(np.array(strangers) < threshold)
        print(f"  medoid {threshold:.2f}: {kept:6.1%} of own photos purged, {caught:6.1%} of strangers")


def report_clusters(people: dict[str, list[tuple[np.ndarray, str]]]) -> None:
    vectors = np.stack([vector for photos in people.values() for vector, _ in photos])
    truth = np.array([number for number, photos in enumerate(people.values()) for _ in photos])
    same = truth[:, None] == truth[None]
    np.fill_diagonal(same, False)
    for threshold in (0.24, 0.28, 0.32, 0.36, 0.4, 0.44):
        groups = np.array(cluster(vectors, threshold=threshold))
        together = groups[:, None] == groups[None]
        np.fill_diagonal(together, False)
        right = (same & together).sum()
        precision, recall = right / max(together.sum(), 1), right / max(same.sum(), 1)
        print(f"  cluster {threshold:.2f}: {groups.max() + 1} groups, precision {precision:.3f}, recall {recall:.3f}")


def report_bits(people: dict[str, list[tuple[np.ndarray, str]]], copies: dict[str, list[int]]) -> None:
    for edit, bits in copies.items():
        print(f"  copy, {edit}: median {np.median(bits):.0f}, 95 % {np.percentile(bits, 95):.0f}, max {max(bits)}")
    others = [
        bits_apart(photos[a][1], photos[b][1])
        for photos in people.values()
        for a in range(len(photos))
        for b in range(a + 1, len(photos))
    ]
    if others:
        levels = ", ".join(f"<= {most}: {np.mean(np.array(others) <= most):.2%}" for most in (6, 10, 14, 18))
        print(f"  other photos of the person: minimum {min(others)}, {levels}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

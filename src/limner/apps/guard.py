"""Where the rules of `limner.trust` are applied: to photos coming in, to requests, to pictures before they go out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from limner.apps.ages import apparent_age
from limner.core.errors import RefusedError
from limner.faces.analysis import FaceAnalysis, FaceAnalyzer
from limner.faces.face import Face
from limner.identity.enrolment import Analyzer, Photo
from limner.identity.identity import Identity
from limner.identity.recognition import GUIDE_SPACE
from limner.trust import audit, safety
from limner.trust.consent import require_consent
from limner.trust.explicit import explicit_score
from limner.trust.opt_outs import refuse_opted_out
from limner.trust.settings import TrustSettings

SAME_PERSON = {GUIDE_SPACE: 0.35}
"""Of two photographs of strangers one pair in a thousand is as alike as this."""
LONGEST_REASON = 160


class Guard:
    """Refuses what the rules forbid, and writes down each refusal; one for each studio.

    Args:
        settings: which rules hold; those of this computer if None.
    """

    def __init__(self, settings: TrustSettings | None = None) -> None:
        self._settings = settings

    @property
    def settings(self) -> TrustSettings:
        """Read anew each time, so that a long-running service follows the file."""
        return TrustSettings.current() if self._settings is None else self._settings

    def enrol(self, photos: Photo | Sequence[Photo], *, analyzer: Analyzer | None = None, **options: Any) -> Identity:
        """:meth:`Identity.from_photos` of photos that may be used; the identity knows how old the person looks.

        Raises:
            RefusedError: a photo is explicit, or shows a possible minor in an unsafe context.
            LimnerError: as ``from_photos``.
        """
        watched = _WatchedAnalyzer(self, self._analyzer if analyzer is None else analyzer)
        identity = Identity.from_photos(photos, analyzer=watched, **options)
        known = [age for age in watched.ages if age is not None]
        return replace(identity, apparent_age=min(known) if len(known) == len(watched.ages) else None)

    def photo(self, image: np.ndarray, face: Face) -> float | None:
        """Look at a photo of a person, RGB uint8; gives the apparent age in years, None if nobody can tell.

        Raises:
            RefusedError: it may not be used.
        """
        age = apparent_age(image, face)
        self._look(image, "", "a photo that was given", None if age is None else [age])
        return age

    def request(self, prompt: str, identity: Identity | None) -> None:
        """Look at a sentence and the person it is to be drawn of.

        Raises:
            RefusedError: it may not be drawn; ConsentError among them.
        """
        settings = self.settings
        if settings.off:
            audit.record("rules off", off=settings.off)
        with _logged("request"):
            if settings.explicit_content:
                safety.refuse_explicit_words(prompt)
            if settings.minors:
                safety.refuse_children_in_words(prompt)
            if identity is not None:
                self._person(identity, prompt, settings)

    def picture(self, image: np.ndarray, prompt: str) -> None:
        """Look at a picture that was drawn, RGB uint8.

        Raises:
            RefusedError: it may not go out.
        """
        self._look(image, prompt, "a picture that was drawn", None)

    def _person(self, identity: Identity, prompt: str, settings: TrustSettings) -> None:
        if settings.consent and identity.consent is not None:
            require_consent(identity.consent)
        if settings.opt_outs:
            embeddings = {space: features.embedding.numpy() for space, features in identity.features.items()}
            refuse_opted_out(embeddings, SAME_PERSON)
        if settings.minors:
            ages = None if identity.apparent_age is None else [identity.apparent_age]
            safety.refuse_apparent_minors(ages, safety.context_of(prompt))

    def _look(self, image: np.ndarray, prompt: str, where: safety.Where, ages: Sequence[float] | None) -> None:
        settings = self.settings
        if not settings.explicit_content and not settings.minors:
            return
        score = explicit_score(image)
        with _logged(where):
            if settings.explicit_content:
                safety.refuse_explicit_picture(score, where)
            context = safety.context_of(prompt, score)
            if settings.minors and context.unsafe:
                safety.refuse_apparent_minors(self._ages(image) if ages is None else ages, context)

    def _ages(self, image: np.ndarray) -> list[float] | None:
        """Of everybody in a picture; None if there is somebody whose age nobody can tell."""
        ages = [apparent_age(image, face) for face in self._analyzer.detect(image)]
        known = [age for age in ages if age is not None]
        return known if len(known) == len(ages) else None

    @cached_property
    def _analyzer(self) -> FaceAnalyzer:
        return FaceAnalyzer()


class _Unguarded(Guard):
    """For measuring only: what an evaluation draws stays in its report, and a refusal would end it."""

    def photo(self, image: np.ndarray, face: Face) -> float | None:
        return None

    def request(self, prompt: str, identity: Identity | None) -> None:
        pass

    def picture(self, image: np.ndarray, prompt: str) -> None:
        pass


UNGUARDED = _Unguarded()


class _WatchedAnalyzer:
    """Shows every photo that is analysed to the guard as well."""

    def __init__(self, guard: Guard, analyzer: Analyzer) -> None:
        self._guard, self._analyzer = guard, analyzer
        self.ages: list[float | None] = []

    def analyze(self, image: np.ndarray, face_index: int | None = None) -> FaceAnalysis:
        analysis = self._analyzer.analyze(image, face_index)
        self.ages.append(self._guard.photo(image, analysis.face))
        return analysis


@contextmanager
def _logged(where: str) -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        audit.record("refused", where=where, why=str(error)[:LONGEST_REASON])
        raise

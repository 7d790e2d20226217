"""The tools that one process needs to work on photos, made in that process: networks cannot be sent."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from limner.data.measuring import PictureMeasurer
from limner.data.preparing.analysis import Measurer, analyse_photo
from limner.data.preparing.captioner import Captioner, open_captioner
from limner.data.preparing.finishing import FinishJob, finish
from limner.data.preparing.outcome import Outcome
from limner.data.preparing.photo_files import PhotoFile
from limner.data.preparing.settings import AnalysisSettings, PrepareSettings
from limner.data.tar_samples import Sample
from limner.identity.encoder import EncoderRecognizer

MeasurerMaker = Callable[[AnalysisSettings], Measurer]


def make_measurer(settings: AnalysisSettings) -> PictureMeasurer:
    """The real networks, packages checked.

    Raises:
        MissingExtraError: an optional package is missing.
        CheckpointError: an encoder is missing or no encoder.
    """
    encoders = [EncoderRecognizer(path) for path in settings.encoders]
    measurer = PictureMeasurer(encoders, look_at_age=settings.look_at_age)
    measurer.require_packages()
    return measurer


class PhotoWorkbench:
    """The two kinds of work on the photos below ``root`` that are spread over processes."""

    def __init__(self, root: Path, settings: PrepareSettings, make: MeasurerMaker = make_measurer) -> None:
        self._root, self._settings, self._make = root, settings, make

    def analyse(self, photo: PhotoFile) -> Outcome:
        return analyse_photo(self._root, photo, self._measurer, self._settings.analysis)

    def finish(self, job: FinishJob) -> Sample:
        return finish(job, self._captioner, licence=self._settings.licence)

    @cached_property
    def _measurer(self) -> Measurer:
        return self._make(self._settings.analysis)

    @cached_property
    def _captioner(self) -> Captioner:
        return open_captioner(self._settings.captioner)

"""The exception tree. Every message says what was given, what was expected and what to do.

LimnerError
├── InputError              what the user handed in cannot be used (exit code 2, HTTP 4xx)
│   ├── ImageError          a picture cannot be read
│   │   └── ImageTooLargeError
│   ├── FaceError           a picture was read, its face cannot be used
│   │   ├── NoFaceError
│   │   ├── FaceTooSmallError
│   │   ├── FaceTooBlurredError
│   │   └── FaceIndexError
│   ├── ConfigError         a recipe or an option has a wrong or unknown value
│   ├── PromptError         the sentence is missing
│   └── RefusedError        a rule of safety forbids it
│       └── ConsentError    the person's consent is expired, revoked or for something else
├── CheckpointError         a file of weights is not what its reader expects
├── FeatureSpaceError       features of different recognisers were mixed
├── AdapterError            an adapter and a backbone do not fit together
│   ├── TargetNotFoundError
│   ├── AlreadyInjectedError
│   └── NotInjectedError
├── LicenceError            the licence does not allow the requested use
└── MissingExtraError       an optional package is not installed
"""


class LimnerError(Exception):
    """Root of everything Limner raises on purpose."""


class InputError(LimnerError):
    """What the user handed in cannot be used."""


class ImageError(InputError):
    """A picture cannot be read."""


class ImageTooLargeError(ImageError):
    """A picture has too many pixels."""


class FaceError(InputError):
    """A picture was read, its face cannot be used."""


class NoFaceError(FaceError):
    """No face was found."""


class FaceTooSmallError(FaceError):
    """The face has too few pixels."""


class FaceTooBlurredError(FaceError):
    """The face is too blurred to recognise anybody."""


class FaceIndexError(FaceError):
    """The chosen face does not exist in the picture."""


class ConfigError(InputError):
    """A recipe or an option has a wrong or unknown value."""


class PromptError(InputError):
    """The sentence that describes the picture is missing."""


class RefusedError(InputError):
    """A rule of safety forbids what was asked for."""


class ConsentError(RefusedError):
    """The person's consent is expired, revoked or for something else."""


class CheckpointError(LimnerError):
    """A file of weights is not what its reader expects."""


class FeatureSpaceError(LimnerError):
    """Features of different recognisers were mixed."""


class AdapterError(LimnerError):
    """An adapter and a backbone do not fit together."""


class TargetNotFoundError(AdapterError):
    """A module that the adapter must wrap is missing from the backbone."""


class AlreadyInjectedError(AdapterError):
    """The adapter sits in a backbone already."""


class NotInjectedError(AdapterError):
    """The adapter sits in no backbone."""


class LicenceError(LimnerError):
    """The licence does not allow the requested use."""


class MissingExtraError(LimnerError):
    """An optional package is not installed."""

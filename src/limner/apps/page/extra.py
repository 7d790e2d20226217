"""The packages of the extra [ui], which the rest of Limner does without."""

from importlib.util import find_spec

from limner.apps.service.extra import NEEDED as SERVICE
from limner.core.errors import MissingExtraError

NEEDED = ("gradio", *SERVICE)
"""The page stands behind the guards of the service."""


def require_page_packages() -> None:
    """Check that the page can be loaded.

    Raises:
        MissingExtraError: a package is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the page needs packages that are not installed ({', '.join(missing)}); "
            "run: make ui, or: pip install 'limner[ui]'"
        )

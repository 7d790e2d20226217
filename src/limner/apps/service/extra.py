"""The packages of the extra [service], which the rest of Limner does without."""

from importlib.util import find_spec

from limner.core.errors import MissingExtraError

NEEDED = ("fastapi", "uvicorn", "sqlalchemy", "prometheus_client")


def require_service_packages() -> None:
    """Check that the service can be loaded.

    Raises:
        MissingExtraError: a package is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the service needs packages that are not installed ({', '.join(missing)}); "
            "run: pip install 'limner[service]'"
        )

"""The packages of the extras [service] and [cluster], which the rest of Limner does without."""

from collections.abc import Sequence
from importlib.util import find_spec

from limner.core.errors import MissingExtraError

NEEDED = ("fastapi", "uvicorn", "sqlalchemy", "prometheus_client")
NEEDED_ON_RAY = ("ray", "aiohttp", "grpc", "watchfiles", "psycopg")


def require_service_packages() -> None:
    """Check that the service can be loaded.

    Raises:
        MissingExtraError: a package is not installed.
    """
    _require(NEEDED, "the service", "service")


def require_ray_packages() -> None:
    """Check that the service can run on Ray.

    Raises:
        MissingExtraError: a package is not installed.
    """
    _require(NEEDED_ON_RAY, "the service on Ray", "cluster")


def _require(names: Sequence[str], what: str, extra: str) -> None:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{what} needs packages that are not installed ({', '.join(missing)}); run: pip install 'limner[{extra}]'"
        )

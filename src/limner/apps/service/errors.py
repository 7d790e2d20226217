"""What the service answers instead of a result: each error knows its HTTP status and a word that programs can read."""

from limner.core.errors import InputError


class ServiceError(InputError):
    """A request that cannot be met."""

    status = 400
    code = "bad_request"
    retry_after: int | None = None
    """Seconds after which it is worth asking again; None if the request itself must change."""


class UnauthorizedError(ServiceError):
    """No key, or one that is not known."""

    status, code = 401, "unauthorized"


class ForbiddenError(ServiceError):
    """The key is known and does not allow this."""

    status, code = 403, "forbidden"


class NotFoundError(ServiceError):
    """There is no such thing, or it belongs to somebody else."""

    status, code = 404, "not_found"


class ConflictError(ServiceError):
    """The thing is in a state that does not allow this."""

    status, code = 409, "conflict"


class TooLargeError(ServiceError):
    """Too many bytes or pixels."""

    status, code = 413, "too_large"


class UnacceptableError(ServiceError):
    """A value that this service does not accept."""

    status, code = 422, "unacceptable"


class BrokenError(ServiceError):
    """Something of the service's own does not work; its log says what."""

    status, code = 503, "broken"


class BusyError(ServiceError):
    """Too much at once; asking again later may work."""

    status, code = 429, "busy"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after

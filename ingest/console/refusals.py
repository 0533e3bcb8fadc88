"""What the console says when it does not do what was asked: one form for every error.

``{"error": {"code", "message", "field"?}}``, as the receiver's (design, Interfaces). The codes are
stable; the messages are for people.
"""

from collections.abc import Collection, Mapping

import orjson
from starlette.responses import Response

from ingest import filters
from ingest.errors import (
    HookkeeperError,
    NotFound,
    RowRejected,
    StoreRefused,
    StoreUnavailable,
)

RETRY_AFTER_SECONDS = 2
JSON = "application/json"


class Refused(HookkeeperError):
    """A request that is not carried out. ``field``: which part of it is wrong, if one is."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.headers = dict(headers or {})


def invalid(field: str, reason: str) -> Refused:
    """422: a part of the request is wrong; nothing was changed or queued."""
    return Refused(422, "invalid", f"{field}: {reason}", field=field)


def wrong_method(allowed: Collection[str]) -> Refused:
    """405 with the methods that a path takes."""
    names = ", ".join(sorted(allowed))
    return Refused(405, "method_not_allowed", f"This path takes {names}.", headers={"allow": names})


def refused(error: HookkeeperError) -> Response:
    """Answer an error by the decision that its class carries."""
    if not isinstance(error, Refused):
        error = _decided(error)
    said = {"code": error.code, "message": str(error)}
    if error.field is not None:
        said["field"] = error.field
    return Response(orjson.dumps({"error": said}), error.status, error.headers, JSON)


def failed() -> Response:
    """500: a mistake in Hookkeeper; the log has the traceback."""
    return refused(Refused(500, "internal", "Hookkeeper failed on this request; its log says why."))


def _decided(error: HookkeeperError) -> Refused:
    match error:
        case filters.Refused():
            return invalid(error.field, error.reason)
        case NotFound():
            return Refused(404, "not_found", str(error))
        case RowRejected():
            return Refused(422, "invalid", str(error))
        case StoreUnavailable() | StoreRefused():
            retry = {"retry-after": str(RETRY_AFTER_SECONDS)}
            # The text of a driver's error may name hosts and files: it is for the log.
            message = "The database cannot be used now. Nothing was changed; please try again."
            return Refused(503, "unavailable", message, headers=retry)
    return Refused(409, "conflict", str(error))

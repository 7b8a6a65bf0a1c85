"""Problems: every error as RFC 9457 problem+json, from one table.

`code` is stable and documented; `detail` says what happened, `remedy` what to do, and
`instance` names the request for whoever looks into the log. A fault of ours says so and
nothing more: no trace, no class name, no path.
"""

import msgspec
from msgspec import Struct

from weft import errors
from weft.errors import WeftError

MEDIA_TYPE = "application/problem+json"


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong and what to do (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    remedy: str | None = None


class Malformed(errors.Invalid):
    """The request is not what HTTP or JSON allow."""

    code = "malformed"


class MethodNotAllowed(errors.PeerError):
    """The path is there, but not with this method."""

    code = "method_not_allowed"

    def __init__(self, detail: str, *, allowed: str) -> None:
        super().__init__(detail, remedy=f"Use one of: {allowed}.")
        self.allowed = allowed


class NotAcceptable(errors.PeerError):
    """The answer does not exist in a media type that the caller takes."""

    code = "not_acceptable"


class UnsupportedMediaType(errors.PeerError):
    """The body is of a media type that the operation does not read."""

    code = "unsupported_media_type"


class VersionRequired(errors.PeerError):
    """A write that others may also do has to name the version it read."""

    code = "version_required"


# The nearest class in an error's ancestry decides.
STATUS: dict[type[BaseException], int] = {
    Malformed: 400,
    errors.ProtocolError: 400,
    errors.SigningRequestInvalid: 400,  # PR-2; over EST as well [RFC 7030 4.2.3]
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    errors.Conflict: 409,
    errors.StaleVersion: 412,
    errors.TooLarge: 413,
    UnsupportedMediaType: 415,
    errors.Invalid: 422,
    VersionRequired: 428,
    errors.RateLimited: 429,
    errors.QuotaExceeded: 429,
    errors.PeerError: 400,
    errors.ConnectorError: 502,
    errors.Unavailable: 503,
    errors.StorageError: 503,
    WeftError: 500,
}

TITLES: dict[int, str] = {
    400: "The request is malformed",
    401: "Authentication required",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "No acceptable representation",
    409: "In conflict with the present state",
    412: "The record has changed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not as declared",
    428: "A version is required",
    429: "Too many requests",
    500: "A fault of the server",
    502: "The far side failed",
    503: "Not available now",
}

_encode = msgspec.json.Encoder().encode


def status_of(error: type[BaseException]) -> int:
    """Return the status that answers an error of this class."""
    for ancestor in error.__mro__:
        if ancestor in STATUS:
            return STATUS[ancestor]
    return 500


def problem_of(error: BaseException, request_id: str) -> Problem:
    """Say what happened, as far as the caller may know."""
    status = status_of(type(error))
    code, detail, remedy = "internal", "Something went wrong on our side; it is in the log.", ""
    if isinstance(error, WeftError) and status != 500:
        code, detail, remedy = error.code, error.detail, error.remedy
    if status == 401:  # what exactly was wrong with a credential helps only those who guess
        code = errors.Unauthenticated.code
        detail = "No valid credential came with the request."
        remedy = "Send Authorization: Bearer with an access token, a service key or a device token."
    return Problem(
        type=f"urn:weft:problem:{code}",
        title=TITLES[status],
        status=status,
        code=code,
        detail=detail,
        instance=f"urn:weft:request:{request_id}",
        remedy=remedy or None,
    )


def headers_of(error: BaseException) -> list[tuple[bytes, bytes]]:
    """Return the headers that go with an error's answer."""
    status = status_of(type(error))
    if status == 401:
        return [(b"www-authenticate", b'Bearer realm="weft"')]
    if isinstance(error, MethodNotAllowed):
        return [(b"allow", error.allowed.encode())]
    if status == 429:
        wait = getattr(error, "retry_after_s", 60.0)
        return [(b"retry-after", str(max(1, round(wait + 0.499))).encode())]
    if status == 503:
        return [(b"retry-after", b"5")]
    return []


def encode_problem(problem: Problem) -> bytes:
    """Write a problem as its body."""
    return _encode(problem)

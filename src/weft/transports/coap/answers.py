"""Answers: codes and problem details (RFC 9290) for every error, from one table.

The code is what a small device acts on; title, detail and remedy are what a person reads
in a capture. They hold what HTTP's problem+json holds, as CBOR.
"""

import math
from collections.abc import Mapping
from typing import Any

import cbor2
import msgspec

from weft import errors
from weft.errors import PeerError
from weft.model.message import RejectionReason
from weft.transports.coap.paths import MethodNotAllowed
from weft.wire.coap.codes import Code
from weft.wire.coap.formats import ContentFormat
from weft.wire.coap.problem import problem_response
from weft.wire.coap.responses import Response

TEXT_MAX = 600  # what is told fits into one datagram with what surrounds it
SOON_S = 5

CHANGED = Response(Code.CHANGED)


class NotAcceptable(PeerError):
    """The answer does not exist in the format that the client takes."""

    code = "no_such_format"


class UnsupportedFormat(PeerError):
    """The payload is in a format that nothing reads."""

    code = "unsupported_format"


class BadOption(PeerError):
    """A condition that the resource does not know."""

    code = "bad_option"


CODES: dict[str, Code] = {
    "unauthenticated": Code.UNAUTHORIZED,
    "forbidden": Code.FORBIDDEN,
    "not_found": Code.NOT_FOUND,
    "unknown_children": Code.NOT_FOUND,
    MethodNotAllowed.code: Code.METHOD_NOT_ALLOWED,
    NotAcceptable.code: Code.NOT_ACCEPTABLE,
    UnsupportedFormat.code: Code.UNSUPPORTED_CONTENT_FORMAT,
    BadOption.code: Code.BAD_OPTION,
    "invalid": Code.BAD_REQUEST,
    "payload_invalid": Code.UNPROCESSABLE_ENTITY,
    "conflict": Code.CONFLICT,
    "device_pending": Code.CONFLICT,
    "already_exists": Code.CONFLICT,
    "stale_version": Code.PRECONDITION_FAILED,
    "too_large": Code.REQUEST_ENTITY_TOO_LARGE,
    "rate_limited": Code.TOO_MANY_REQUESTS,
    "quota_exceeded": Code.TOO_MANY_REQUESTS,
    "unavailable": Code.SERVICE_UNAVAILABLE,
    "storage_failed": Code.SERVICE_UNAVAILABLE,
}
_FAULT = "Something went wrong on our side; nothing was kept. Send it again."


def problem_of(error: errors.WeftError) -> Response:
    """Return what an error is answered with."""
    wait_s: float | None = None
    if isinstance(error, errors.RateLimited):
        wait_s = error.retry_after_s
    elif isinstance(error, errors.Unavailable | errors.StorageError):
        wait_s = SOON_S
    if isinstance(error, errors.StorageError):  # why is for our own log
        return _problem("unavailable", "The message could not be kept; send it again.", "", wait_s)
    return _problem(error.code, error.detail, error.remedy, wait_s)


def problem_of_reason(reason: RejectionReason) -> Response:
    """Return what a message is answered with that went to the rejection inbox."""
    return _problem(reason.code, reason.detail, reason.remedy, None)


def fault() -> Response:
    """Return what is answered when a bug of ours was met."""
    return _problem("internal", _FAULT, "", None)


def _problem(code: str, detail: str, remedy: str, wait_s: float | None) -> Response:
    answer = CODES.get(code)
    if answer is None:
        answer = Code.INTERNAL_SERVER_ERROR if code == "internal" else Code.BAD_REQUEST
    text = f"{detail} {remedy}".strip()[:TEXT_MAX]
    max_age_s = None if wait_s is None else max(1, math.ceil(wait_s))
    return problem_response(answer, code, text, max_age_s)


def content(value: Mapping[str, Any], accept: int | None) -> Response:
    """Return a value as JSON, or as CBOR where that is asked for; raise `NotAcceptable`."""
    if accept in (None, ContentFormat.JSON):
        return Response(Code.CONTENT, msgspec.json.encode(value), ContentFormat.JSON)
    if accept == ContentFormat.CBOR:
        return Response(Code.CONTENT, cbor2.dumps(value), ContentFormat.CBOR)
    raise NotAcceptable(
        f"The answer does not exist in Content-Format {accept}.",
        remedy="Accept 50 (JSON) or 60 (CBOR).",
    )

"""Problem details in CBOR: why a request failed, for a device's log (RFC 9290)."""

from typing import Any

import cbor2
from msgspec import Struct

from weft.wire.coap.codes import CLASSES
from weft.wire.coap.faults import CoapError
from weft.wire.coap.formats import ContentFormat
from weft.wire.coap.responses import Response

_TITLE, _DETAIL, _INSTANCE, _RESPONSE_CODE = -1, -2, -3, -4
_MOST_BYTES = 4096


class Problem(Struct, frozen=True):
    """The standard entries of RFC 9290 3.1, and custom ones by URI."""

    title: str = ""
    detail: str = ""
    instance: str = ""
    response_code: int | None = None
    custom: dict[str, dict[int | str, Any]] = {}


def encode_problem(problem: Problem) -> bytes:
    """A map; entries that say nothing are left out."""
    entries: dict[int | str, Any] = {
        key: value
        for key, value in (
            (_TITLE, problem.title),
            (_DETAIL, problem.detail),
            (_INSTANCE, problem.instance),
        )
        if value
    }
    if problem.response_code is not None:
        entries[_RESPONSE_CODE] = problem.response_code
    entries.update(problem.custom)
    return cbor2.dumps(entries)


def decode_problem(payload: bytes) -> Problem:
    """Read one; entries that are not known are passed over (RFC 9290 2).

    Raises CoapError for what is no problem details document.
    """
    if len(payload) > _MOST_BYTES:
        raise CoapError("problem details are too long", "RFC 9290 2")
    try:
        entries = cbor2.loads(payload)
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError) as error:
        raise CoapError("problem details are not CBOR", "RFC 9290 2") from error
    if not isinstance(entries, dict):
        raise CoapError("problem details are not a map", "RFC 9290 2")
    code = entries.get(_RESPONSE_CODE)
    if code is not None and not (type(code) is int and 0 <= code < 256 and code >> 5 in CLASSES):
        raise CoapError("the response code is none", "RFC 9290 3.1")
    return Problem(
        _text(entries, _TITLE),
        _text(entries, _DETAIL),
        _text(entries, _INSTANCE),
        code,
        {
            key: value
            for key, value in entries.items()
            if isinstance(key, str) and isinstance(value, dict)
        },
    )


def problem_response(
    code: int, title: str, detail: str = "", max_age_s: int | None = None
) -> Response:
    """An error answer that says why."""
    payload = encode_problem(Problem(title, detail))
    return Response(code, payload, ContentFormat.PROBLEM_DETAILS_CBOR, max_age_s=max_age_s)


def _text(entries: dict[Any, Any], key: int) -> str:
    value = entries.get(key, "")
    if isinstance(value, cbor2.CBORTag) and isinstance(value.value, list | tuple):
        value = value.value[1] if len(value.value) > 1 else None  # tag 38: language, then text
    if not isinstance(value, str):
        raise CoapError(f"entry {key} is not text", "RFC 9290 3.1")
    return value

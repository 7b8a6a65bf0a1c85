"""What stands in ThingsBoard's payloads: read without loss, and put into native words.

Values travel as they were written: a number in quotes stays a text. As over there, a null
says nothing, and `metadata` beside `ts` and `values` belongs to the gateway's own
bookkeeping: both are left out, all other values are kept or refused with a reason.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from weft.errors import Invalid, PayloadInvalid
from weft.ingest.checks import require_storable

ID_MAX_DIGITS: Final = 10  # of a request id; ThingsBoard's are 32 bits
NAME_MAX_CHARACTERS: Final = 256  # of a gateway's name for a device
METHOD_MAX_CHARACTERS: Final = 128

_MALFORMED = (ValueError, RecursionError)  # msgspec's, UnicodeDecodeError, and nesting bombs
_NULL = b"null"
_OBJECT: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])

T = TypeVar("T")


class Connected(Struct, frozen=True):
    """`v1/gateway/connect` and `disconnect`: which device, and what kind it is."""

    device: str
    type: str = ""


class Asked(Struct, frozen=True):
    """A request for attributes; no key at all asks for everything, an empty text for all of one."""

    client_keys: str | UnsetType | None = msgspec.field(default=UNSET, name="clientKeys")
    shared_keys: str | UnsetType | None = msgspec.field(default=UNSET, name="sharedKeys")


class GatewayAsked(Asked, frozen=True):
    """A gateway's request for one of its devices; `client` with `key` or `keys` is the old form."""

    id: int = 0
    device: str = ""
    client: bool = False
    key: str | UnsetType = UNSET
    keys: list[str] | str | UnsetType = UNSET


class Called(Struct, frozen=True):
    """A call by a device: `rpc/request/{id}`."""

    method: str
    params: Any = None


class Answered(Struct, frozen=True):
    """A gateway's answer to a call of one of its devices."""

    device: str
    id: int
    data: msgspec.Raw = msgspec.Raw(_NULL)


def read_as(payload: bytes, kind: type[T]) -> T:
    """Decode a payload; raise `PayloadInvalid` with what is wrong in it."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except _MALFORMED as error:
        raise refusal(error) from None


def refusal(error: Exception) -> PayloadInvalid:
    """Return the refusal for what a decoder raised."""
    if isinstance(error, RecursionError):
        return PayloadInvalid("The JSON is nested too deeply.", remedy="Send flat values.")
    if isinstance(error, msgspec.ValidationError):
        text = str(error).replace("`", "")
        return PayloadInvalid(f"{text}.", remedy="Send what ThingsBoard's API declares here.")
    return PayloadInvalid(
        f"The payload is not JSON: {error}.",
        remedy="Send JSON in UTF-8; the device profile's payload type over there must be JSON.",
    )


def objects_by_device(payload: bytes) -> dict[str, bytes]:
    """Read a gateway's `{"Device A": ..., "Device B": ...}`."""
    try:
        found = _OBJECT.decode(payload)
    except _MALFORMED as error:
        raise refusal(error) from None
    for name in found:
        require_device_name(name)
    return {name: bytes(raw) for name, raw in found.items()}


def telemetry_of(payload: bytes) -> bytes:
    """Return telemetry in its native shape, which is the same but for what is left out."""
    if _NULL not in payload and b'"metadata"' not in payload:
        return payload
    try:
        if payload.lstrip()[:1] == b"[":
            return msgspec.json.encode([_reading(bytes(one)) for one in _LIST.decode(payload)])
        return msgspec.json.encode(_reading(payload))
    except _MALFORMED as error:
        raise refusal(error) from None


def _reading(payload: bytes) -> dict[str, Any]:
    found = _OBJECT.decode(payload)
    if "ts" in found and "values" in found:
        values = _without_nulls(_OBJECT.decode(found["values"]))
        kept: dict[str, Any] = {name: raw for name, raw in found.items() if name != "metadata"}
        return kept | {"values": values}
    return _without_nulls(found)


def attributes_of(payload: bytes) -> bytes:
    """Return attributes as a patch of reported properties; a null changes nothing."""
    if _NULL not in payload:
        return payload
    try:
        return msgspec.json.encode(_without_nulls(_OBJECT.decode(payload)))
    except _MALFORMED as error:
        raise refusal(error) from None


def _without_nulls(values: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    return {name: raw for name, raw in values.items() if bytes(raw) != _NULL}


def result_of(payload: bytes) -> bytes:
    """Return the answer to a call as a command's result.

    An object whose `error` is a text says that the device failed; all else is the output.
    """
    try:
        said = msgspec.json.decode(payload)
        require_storable(said)
        error = said.get("error") if isinstance(said, dict) else None
        if isinstance(error, str) and error:
            return msgspec.json.encode({"status": "failed", "error": error, "output": said})
        return msgspec.json.encode({"status": "succeeded", "output": msgspec.Raw(payload)})
    except _MALFORMED as malformed:
        raise refusal(malformed) from None


def require_device_name(name: str) -> str:
    """Return a gateway's name for a device, or raise `PayloadInvalid`."""
    if not 0 < len(name) <= NAME_MAX_CHARACTERS or not name.isprintable():
        raise PayloadInvalid(
            f"A device's name has 1 to {NAME_MAX_CHARACTERS} characters and no control characters.",
            remedy="Send the name by which the gateway tells the device from its others.",
        )
    return name


def require_request_id(text: str) -> str:
    """Return a request id as it stands in a topic, or raise `Invalid`."""
    if not (text.isascii() and text.isdecimal() and len(text) <= ID_MAX_DIGITS):
        raise Invalid(
            f"{text[:40]!r} is no request id.",
            remedy=f"Number requests: up to {ID_MAX_DIGITS} digits.",
        )
    return text


def require_method(called: Called) -> Called:
    """Return a call, or raise `PayloadInvalid` for a method that has no proper name."""
    if not 0 < len(called.method) <= METHOD_MAX_CHARACTERS:
        raise PayloadInvalid(
            f"A method's name has 1 to {METHOD_MAX_CHARACTERS} characters.",
            remedy='Send {"method": "getCurrentTime", "params": {}}.',
        )
    return called


def keys_of(text: str | UnsetType | None) -> Sequence[str] | None:
    """Return the keys of a comma-separated list; None where the list is not there at all."""
    if text is UNSET or text is None:
        return None
    return [key for key in (part.strip() for part in text.split(",")) if key]

"""Decoding: a payload becomes checked values in one step, or a refusal a person can act on.

A device type is turned into a Struct once, so that decoding is checking; a device without
a type sends free values, held to sane bounds. Which format a payload has is decided before:
JSON is checked while it is read, the others are read first and then held to the same checks.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from msgspec import Struct

from weft.commands.results import require_result
from weft.errors import PayloadInvalid
from weft.ingest.checks import MALFORMED, Describe, did_you_mean, require_storable, struct_of
from weft.ingest.telemetry import TelemetryDecoder
from weft.model.device import DeviceType, Field
from weft.model.message import Decoded, Operation
from weft.wire.payload import cbor, senml
from weft.wire.payload.formats import BY_NAME, CBOR, JSON, SENML_CBOR, SENML_JSON, TEXT

Decode = Callable[[bytes, int], Decoded]
CheckValue = Callable[[Any], Decoded]

_DOCUMENTS = frozenset({JSON, CBOR})


class Decoders:
    """All decoders of one device type (or of free values, for a device without one)."""

    def __init__(self, device_type: DeviceType | None) -> None:
        self._type = device_type
        self._telemetry = TelemetryDecoder(device_type)
        self._properties = (
            None
            if device_type is None
            else struct_of(f"{device_type.name}_properties", device_type.properties, nullable=True)
        )

    def for_operation(
        self, operation: Operation, name: str, format_name: str = JSON
    ) -> Decode | None:
        """Return what decodes an operation's messages of a format; None where any bytes will do.

        Raises `PayloadInvalid` where the operation cannot come in that format.
        """
        match operation:
            case Operation.TELEMETRY:
                return self._telemetry_in(format_name)
            case Operation.REPORTED:
                require_document(format_name, "Reported properties")
                return (
                    self._reported if format_name == JSON else _through_cbor(self._checked_report)
                )
            case Operation.EVENT:
                require_document(format_name, "An event")
                return self._event(name, format_name)
            case Operation.COMMAND_RESULT:
                require_document(format_name, "The result of a command")
                return _result if format_name == JSON else _through_cbor(_checked_result)
            case _:
                return None

    def _telemetry_in(self, format_name: str) -> Decode:
        telemetry = self._telemetry
        match format_name:
            case "json":
                return telemetry.decode
            case "cbor":
                return lambda payload, at: telemetry.from_value(cbor.decode(payload), at)
            case "senml+json":
                return lambda payload, at: telemetry.from_measurements(
                    senml.decode_json(payload, at), at
                )
            case "senml+cbor":
                return lambda payload, at: telemetry.from_measurements(
                    senml.decode_cbor(payload, at), at
                )
            case "text":
                return telemetry.from_text
            case _:
                raise not_in_format(
                    "Telemetry", format_name, (JSON, CBOR, SENML_JSON, SENML_CBOR, TEXT)
                )

    def _reported(self, payload: bytes, _received_at: int) -> Decoded:
        patch = _any_object(payload, 0)
        if self._properties is not None:
            _run(self._properties, payload, self._describe("property"))
        return patch

    def _checked_report(self, value: Any) -> Decoded:
        patch = _require_object(value)
        if self._properties is not None:
            _convert(self._properties, value, self._describe("property"))
        return patch

    def _event(self, name: str, format_name: str) -> Decode:
        declared = None if self._type is None else self._type.events
        if declared is None:
            return _any_object if format_name == JSON else _through_cbor(_require_object)
        if name not in declared:
            raise PayloadInvalid(
                f"Type {self._type_label()} declares no event {name!r}.",
                remedy=did_you_mean(name, declared) or "Declare the event in the device type.",
            )
        check = struct_of(f"{name}_event", declared[name])
        describe = self._describe("event field", declared[name])

        def decode(payload: bytes, _received_at: int) -> Decoded:
            _run(check, payload, describe)
            return _any_object(payload, 0)

        def checked(value: Any) -> Decoded:
            _convert(check, value, describe)
            return _require_object(value)

        return decode if format_name == JSON else _through_cbor(checked)

    def _type_label(self) -> str:
        return f"{self._type.name}@{self._type.version}" if self._type else "free JSON"

    def _describe(self, what: str, fields: Mapping[str, Field] | None = None) -> Describe:
        known = fields if fields is not None else (self._type.properties if self._type else {})
        return Describe(what, self._type_label(), known)


def require_document(format_name: str, what: str) -> None:
    """Raise `PayloadInvalid` unless a format holds an object of names and values."""
    if format_name not in _DOCUMENTS:
        raise not_in_format(what, format_name, (JSON, CBOR))


def not_in_format(what: str, format_name: str, known: tuple[str, ...]) -> PayloadInvalid:
    """Return the refusal of a format that says nothing about an operation."""
    media_types = ", ".join(BY_NAME[name].media_types[0] for name in known)
    stated = BY_NAME[format_name].media_types[0] if format_name in BY_NAME else format_name
    return PayloadInvalid(
        f"{what} cannot be read from {stated}.", remedy=f"Send one of: {media_types}."
    )


def _through_cbor(check: CheckValue) -> Decode:
    return lambda payload, _received_at: check(cbor.decode(payload))


def _convert(check: type[Struct], value: Any, describe: Describe) -> None:
    try:
        msgspec.convert(value, check)
    except msgspec.ValidationError as error:
        raise describe.refusal(error) from None


def _run(check: type[Struct], payload: bytes, describe: Describe) -> None:
    try:
        msgspec.json.decode(payload, type=cast("Any", check))
    except MALFORMED as error:
        raise describe.refusal(error) from None


def _any_object(payload: bytes, _received_at: int) -> Decoded:
    try:
        decoded = msgspec.json.decode(payload, type=dict[str, Any])
    except MALFORMED as error:
        raise Describe("field", "free JSON", ()).refusal(error) from None
    require_storable(decoded)
    return decoded


def _require_object(value: Any) -> Decoded:
    try:
        decoded = msgspec.convert(value, dict[str, Any])
    except msgspec.ValidationError as error:
        raise Describe("field", "free values", ()).refusal(error) from None
    require_storable(decoded)
    return decoded


def _result(payload: bytes, received_at: int) -> Decoded:
    answer = _any_object(payload, received_at)
    require_result(answer)
    return answer


def _checked_result(value: Any) -> Decoded:
    answer = _require_object(value)
    require_result(answer)
    return answer

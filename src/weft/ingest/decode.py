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
from weft.ingest.documents import parse
from weft.ingest.mapped import DocumentMapper, TelemetryMapper
from weft.ingest.telemetry import TelemetryDecoder
from weft.model.device import DeviceType, Field
from weft.model.message import Decoded, Operation
from weft.model.moments import to_rfc3339
from weft.wire.payload import cbor, senml
from weft.wire.payload.formats import BY_NAME, CBOR, JSON, SENML_CBOR, SENML_JSON, TEXT, format_of

Decode = Callable[[bytes, int], Decoded]
CheckValue = Callable[[Any], Decoded]

_DOCUMENTS = frozenset({JSON, CBOR})
_DECODED = frozenset(
    {Operation.TELEMETRY, Operation.REPORTED, Operation.EVENT, Operation.COMMAND_RESULT}
)


class Decoders:
    """All decoders of one device type (or of free values, for a device without one)."""

    def __init__(self, device_type: DeviceType | None) -> None:
        self._type = device_type
        self._telemetry = TelemetryDecoder(device_type)
        mapping = device_type.mapping if device_type is not None else None
        self._mapper = (
            TelemetryMapper(mapping, device_type)
            if mapping is not None and device_type is not None and mapping.maps_telemetry
            else None
        )
        self._report_mapper = (
            DocumentMapper(mapping.properties, device_type.properties, mapping, nullable=True)
            if mapping is not None and device_type is not None and mapping.properties
            else None
        )
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
                if format_name == JSON and self._report_mapper is None:
                    return self._reported
                return _through(format_name, self._report_mapper, self._checked_report)
            case Operation.EVENT:
                require_document(format_name, "An event")
                return self._event(name, format_name)
            case Operation.COMMAND_RESULT:
                require_document(format_name, "The result of a command")
                if format_name == JSON:
                    return _result
                return _through(format_name, None, _checked_result)
            case _:
                return None

    def mapped(
        self, operation: Operation, name: str, format_name: str, payload: bytes, at: int
    ) -> Any:
        """Return what the mapping makes of a payload, unchecked; None where there is none."""
        if operation is not Operation.TELEMETRY:
            mapper = (
                self._report_mapper if operation is Operation.REPORTED else self._event_mapper(name)
            )
            return None if mapper is None else mapper.values(parse(format_name, payload))
        telemetry = self._mapper
        if telemetry is None or (format_name == TEXT and not telemetry.takes_whole):
            return None
        if format_name in (SENML_JSON, SENML_CBOR):
            read = senml.decode_json if format_name == SENML_JSON else senml.decode_cbor
            moments = telemetry.again(self._telemetry.moments_of(read(payload, at), at))
        else:
            moments = telemetry.moments(parse(format_name, payload), payload, at)
        return [{"at": to_rfc3339(moment), "values": values} for moment, values in moments]

    def _telemetry_in(self, format_name: str) -> Decode:
        telemetry = self._telemetry
        if self._mapper is not None:
            return self._mapped_telemetry(self._mapper, format_name)
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

    def _mapped_telemetry(self, mapper: TelemetryMapper, format_name: str) -> Decode:
        telemetry = self._telemetry
        if format_name == TEXT and not mapper.takes_whole:
            return telemetry.from_text
        if format_name in (SENML_JSON, SENML_CBOR):
            read = senml.decode_json if format_name == SENML_JSON else senml.decode_cbor
            return lambda payload, at: telemetry.from_moments(
                mapper.again(telemetry.moments_of(read(payload, at), at))
            )
        return lambda payload, at: telemetry.from_moments(
            mapper.moments(parse(format_name, payload), payload, at)
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
            return (
                _any_object if format_name == JSON else _through(format_name, None, _require_object)
            )
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

        mapper = self._event_mapper(name)
        if format_name == JSON and mapper is None:
            return decode
        return _through(format_name, mapper, checked)

    def _event_mapper(self, name: str) -> DocumentMapper | None:
        device_type = self._type
        if device_type is None or device_type.mapping is None:
            return None
        sources = device_type.mapping.events.get(name)
        if not sources:
            return None
        fields = device_type.events[name]
        return DocumentMapper(sources, fields, device_type.mapping, nullable=False)

    def _type_label(self) -> str:
        return f"{self._type.name}@{self._type.version}" if self._type else "free JSON"

    def _describe(self, what: str, fields: Mapping[str, Field] | None = None) -> Describe:
        known = fields if fields is not None else (self._type.properties if self._type else {})
        return Describe(what, self._type_label(), known)


def route_format(
    operation: Operation, content_type: str | None, device_type: DeviceType | None
) -> str:
    """Return `Route.format`: nothing for JSON, and for what is not decoded anyway.

    A device that states no content type is read as its type says; a dialect states its own.
    """
    if operation not in _DECODED:
        return ""
    if content_type:
        name = format_of(content_type)
        return "" if name == JSON else name
    mapping = device_type.mapping if device_type is not None else None
    if mapping is None or not (operation is Operation.TELEMETRY or mapping.format == CBOR):
        return ""
    return mapping.format


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


def _through(format_name: str, mapper: DocumentMapper | None, check: CheckValue) -> Decode:
    if mapper is None:
        return lambda payload, _received_at: check(parse(format_name, payload))
    return lambda payload, _received_at: check(mapper.values(parse(format_name, payload)))


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

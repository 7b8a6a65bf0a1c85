"""The codec sandbox: what would become of a payload, step by step, and nothing is kept.

The steps are the gate's own: its format, its values, what the mapping makes of them, and
what is checked. The first that fails says what a device would be told.

Sparkplug is named by its topic where devices speak it; here, by the dialect's name in place
of a content type. Its metrics are shown, and tried as the telemetry that they become.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from weft.errors import ConfigurationError, PayloadInvalid, PeerError
from weft.ingest.decode import Decoders, route_format
from weft.ingest.dialects import sparkplug
from weft.ingest.dialects.sparkplug_births import Birth
from weft.ingest.documents import parse
from weft.model.device import DeviceType
from weft.model.message import Operation
from weft.model.moments import to_rfc3339
from weft.model.telemetry import Reading, items_of
from weft.wire.payload import senml
from weft.wire.payload.formats import BINARY, JSON, SENML_CBOR, SENML_JSON
from weft.wire.payload.sparkplug import DataType, Metric
from weft.wire.payload.sparkplug import decode as read_sparkplug


class Step(Struct, frozen=True):
    """What stood after one step."""

    name: str  # format, read, named, mapped, checked
    value: Any


class Refusal(Struct, frozen=True):
    """Why a step failed, as the device would be told."""

    step: str
    code: str
    detail: str
    remedy: str


class Trial(Struct, frozen=True):
    """What became of a payload. `value` is what would be kept: readings, or an object."""

    steps: Sequence[Step]
    value: Any = None
    problem: Refusal | None = None


class Asked(Struct, frozen=True):
    """What is tried: the operation, and the payload in the format that is stated."""

    operation: Operation
    payload: bytes
    name: str = ""  # of the event
    content_type: str = ""  # or `sparkplug`


def try_payload(device_type: DeviceType | None, asked: Asked, at: int) -> Trial:
    """Take a payload through the steps; a refusal is part of the answer."""
    run = _Run(device_type, asked, at)
    try:
        value = run.all_steps()
    except (PeerError, ConfigurationError) as error:  # protobuf is an extra
        problem = Refusal(run.step, error.code, error.detail, error.remedy)
        return Trial(run.steps, problem=problem)
    return Trial(run.steps, value)


class _Run:
    """One payload on its way; `step` is where it is."""

    def __init__(self, device_type: DeviceType | None, asked: Asked, at: int) -> None:
        self._type = device_type
        self._asked = asked
        self._at = at
        self._decoders = Decoders(device_type)
        self.steps: list[Step] = []
        self.step = "format"

    def all_steps(self) -> Any:
        if self._asked.content_type.strip().lower() == sparkplug.NAME:
            return self._sparkplug()
        asked = self._asked
        stated = route_format(asked.operation, asked.content_type, self._type)
        format_name = stated or JSON
        if self._decoders.for_operation(asked.operation, asked.name, format_name) is None:
            raise PayloadInvalid("Nothing is decoded here.", remedy="Try telemetry.")
        self._done("format", format_name, "read")
        value = self._read(format_name)
        self._done("read", _shown(value, asked.payload), "mapped")
        return self._checked(format_name, asked.payload)

    def _checked(self, format_name: str, payload: bytes) -> Any:
        asked, decoders = self._asked, self._decoders
        decode = decoders.for_operation(asked.operation, asked.name, format_name)
        if decode is None:
            raise PayloadInvalid("Nothing is decoded here.", remedy="Try telemetry.")
        mapped = decoders.mapped(asked.operation, asked.name, format_name, payload, self._at)
        if mapped is not None:
            self._done("mapped", mapped, "checked")
        self.step = "checked"
        decoded = decode(payload, self._at)
        found = _readings(decoded) if asked.operation is Operation.TELEMETRY else decoded
        self._done("checked", found, "checked")
        return found

    def _sparkplug(self) -> Any:
        """Try a message as a birth: it names its own metrics, and there is none before it."""
        if self._asked.operation is not Operation.TELEMETRY:
            raise PayloadInvalid(
                "Metrics of Sparkplug are telemetry, and nothing else.", remedy="Try telemetry."
            )
        self._done("format", sparkplug.NAME, "read")
        message = read_sparkplug(self._asked.payload)
        self._done("read", [_metric(one) for one in message.metrics], "named")
        named = [one for one in message.metrics if one.name]
        values, unknown = sparkplug.values_of(message, Birth(named))
        if unknown:
            raise PayloadInvalid(
                f"Metrics with alias {', '.join(map(str, unknown[:10]))} are named by no birth "
                "here.",
                remedy="Try the birth, or the message with names beside the aliases.",
            )
        if not values:
            raise PayloadInvalid(
                "None of its metrics is telemetry.",
                remedy="Try a message with values: bdSeq and control metrics are none.",
            )
        payload = sparkplug.telemetry_of(values)
        self._done("named", parse(JSON, payload), "mapped")
        return self._checked(JSON, payload)

    def _read(self, format_name: str) -> Any:
        if format_name in (SENML_JSON, SENML_CBOR):
            read = senml.decode_json if format_name == SENML_JSON else senml.decode_cbor
            return [
                {**asdict(one), "at": to_rfc3339(one.at)}
                for one in read(self._asked.payload, self._at)
            ]
        return None if format_name == BINARY else parse(format_name, self._asked.payload)

    def _done(self, name: str, value: Any, following: str) -> None:
        self.steps.append(Step(name, value))
        self.step = following


def _shown(value: Any, payload: bytes) -> Any:
    return {"hex": payload.hex(" "), "bytes": len(payload)} if value is None else value


def _metric(metric: Metric) -> dict[str, Any]:
    """Show a metric: what it left out is left out."""
    known = metric.datatype in DataType._value2member_map_
    shown = {
        "name": metric.name,
        "alias": metric.alias,
        "type": DataType(metric.datatype).name if known and metric.datatype else None,
        "timestamp": metric.timestamp,  # as it came: a wrong one is told by its reading
    }
    value = {"value": sparkplug.plain(metric.value)}
    return {name: one for name, one in shown.items() if one not in ("", None)} | value


def _readings(decoded: list[Reading]) -> list[dict[str, Any]]:
    return [{"at": to_rfc3339(one.at), "values": dict(items_of(one.values))} for one in decoded]

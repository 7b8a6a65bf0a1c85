"""The codec sandbox: what would become of a payload, step by step, and nothing is kept.

The steps are the gate's own: its format, its values, what the mapping makes of them, and
what is checked. The first that fails says what a device would be told.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from weft.errors import PayloadInvalid, PeerError
from weft.ingest.decode import Decoders, route_format
from weft.ingest.documents import parse
from weft.model.device import DeviceType
from weft.model.message import Operation
from weft.model.moments import to_rfc3339
from weft.model.telemetry import Reading, items_of
from weft.wire.payload import senml
from weft.wire.payload.formats import BINARY, JSON, SENML_CBOR, SENML_JSON


class Step(Struct, frozen=True):
    """What stood after one step."""

    name: str  # format, read, mapped, checked
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
    content_type: str = ""


def try_payload(device_type: DeviceType | None, asked: Asked, at: int) -> Trial:
    """Take a payload through the steps; a refusal is part of the answer."""
    run = _Run(device_type, asked, at)
    try:
        value = run.all_steps()
    except PeerError as error:
        problem = Refusal(run.step, error.code, error.detail, error.remedy)
        return Trial(run.steps, problem=problem)
    return Trial(run.steps, value)


class _Run:
    """One payload on its way; `step` is where it is."""

    def __init__(self, device_type: DeviceType | None, asked: Asked, at: int) -> None:
        self._type = device_type
        self._asked = asked
        self._at = at
        self.steps: list[Step] = []
        self.step = "format"

    def all_steps(self) -> Any:
        asked = self._asked
        stated = route_format(asked.operation, asked.content_type, self._type)
        format_name = stated or JSON
        decoders = Decoders(self._type)
        decode = decoders.for_operation(asked.operation, asked.name, format_name)
        if decode is None:
            raise PayloadInvalid("Nothing is decoded here.", remedy="Try telemetry.")
        self._done("format", format_name, "read")
        value = self._read(format_name)
        self._done("read", _shown(value, asked.payload), "mapped")
        mapped = decoders.mapped(asked.operation, asked.name, format_name, asked.payload, self._at)
        if mapped is not None:
            self._done("mapped", mapped, "checked")
        self.step = "checked"
        decoded = decode(asked.payload, self._at)
        found = _readings(decoded) if asked.operation is Operation.TELEMETRY else decoded
        self._done("checked", found, "checked")
        return found

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


def _readings(decoded: list[Reading]) -> list[dict[str, Any]]:
    return [{"at": to_rfc3339(one.at), "values": dict(items_of(one.values))} for one in decoded]

"""Mutated payloads in CBOR, SenML and text: `python fuzz/fuzz_payloads.py --inputs 10000000`.

Each input is read by all of the decoders, and by the gate's own for a typed and an untyped
device. What is taken can be stored, holds no number without an end, and can be written and
read again to the same; everything else is refused with a reason and a remedy.
"""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import cbor2
import msgspec
from fuzz.fuzz_gate import TYPE
from fuzz.harness import main

from weft.errors import PayloadInvalid
from weft.ingest.decode import Decoders
from weft.model.device import DeviceType
from weft.model.message import Operation
from weft.model.telemetry import items_of
from weft.registry.thing_models import read_type
from weft.wire.payload import cbor, senml

NOW = 1_772_366_400_000_000_000
FORMATS = ("cbor", "senml+json", "senml+cbor", "text")


def mapped_types() -> list[DeviceType]:
    """Types that read other keys: nested, in lists, in bytes alone and in bytes inside JSON."""
    fields = {
        "temperature": {"type": "number", "unit": "Cel"},
        "rpm": {"type": "integer"},
        "on": {"type": "boolean"},
        "mode": {"type": "string"},
    }
    bits = {
        "temperature": {"byte": 0, "bytes": 4, "float": True, "when": {"byte[4]": [1, 2]}},
        "rpm": {"byte": 1, "bytes": 2, "signed": True, "scale": 0.1, "optional": True},
        "on": {"byte": 0, "bit": 7},
    }
    mappings: list[dict[str, Any]] = [
        {
            "time": {"from": "ts", "unit": "s"},
            "telemetry": {
                "temperature": {"from": "detail.a[0]", "unit": "K"},
                "rpm": {"from": "$", "parse": True, "scale": 10},
                "mode": {"from": "v", "values": {"1": "one", "true": "yes"}},
            },
            "unmapped": "ignore",
        },
        {"each": "values", "telemetry": {"rpm": "rpm", "on": "$.on"}, "ignore": ["detail"]},
        {"binary": {"from": "mode", "fields": bits}, "telemetry": {"mode": {"constant": "x"}}},
        {"format": "binary", "binary": {"min_bytes": 1, "fields": bits}},
    ]
    return [
        read_type(TYPE.tenant, "mapped", {"telemetry": fields, "mapping": one}, version=1, at=0)
        for one in mappings
    ]


class Harness:
    """All decoders on one input."""

    def __init__(self) -> None:
        self._gate: list[Callable[[bytes, int], Any]] = []
        mapped = [(Decoders(one), (*FORMATS, "json", "binary")) for one in mapped_types()]
        plain = [(Decoders(one), FORMATS) for one in (TYPE, None)]
        for decoders, formats in (*plain, *mapped):
            for name in formats:
                decode = decoders.for_operation(Operation.TELEMETRY, "", name)
                assert decode is not None
                self._gate.append(decode)

    def __call__(self, data: bytes) -> int:
        """Feed one payload; return how many bytes of it were taken."""
        taken = self._cbor(data) + self._senml(data)
        for decode in self._gate:
            try:
                readings = decode(data, NOW)
            except PayloadInvalid as error:
                require_remedy(error)
                continue
            msgspec.msgpack.encode([dict(items_of(one.values)) for one in readings])
            taken += len(data)
        if not taken:
            raise PayloadInvalid("Nothing reads it.", remedy="Try again.")
        return 0

    def _cbor(self, data: bytes) -> int:
        try:
            value = cbor.decode(data)
        except PayloadInvalid as error:
            require_remedy(error)
            return 0
        require_plain(value)
        assert cbor.decode(cbor.encode(value)) == value
        return len(data)

    def _senml(self, data: bytes) -> int:
        taken = 0
        for decode in (senml.decode_json, senml.decode_cbor):
            try:
                measured = decode(data, NOW)
            except PayloadInvalid as error:
                require_remedy(error)
                continue
            assert [one.at for one in measured] == sorted(one.at for one in measured)
            again = senml.decode_json(senml.encode_json(measured), NOW)
            assert [one.name for one in again] == [one.name for one in measured]
            taken += len(data)
        return taken


def require_remedy(error: PayloadInvalid) -> None:
    """A refusal says what to do."""
    assert error.detail
    assert error.remedy, error.detail


def require_plain(value: Any) -> None:
    """Nothing that JSON has no word for."""
    assert value is None or type(value) in {bool, int, float, str, list, dict}, type(value)
    if isinstance(value, float):
        assert math.isfinite(value)
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        require_plain(inner)


def in_json(value: Any) -> bytes:
    """The same values as JSON."""
    return json.dumps(value, default=str).encode()


def load_corpus() -> list[bytes]:
    """Payloads that are right, and the vectors of the RFCs, right and wrong."""
    vectors = Path(__file__).parents[1] / "tests" / "vectors"
    rows = json.loads((vectors / "cbor" / "rfc8949.json").read_text())
    found = [bytes.fromhex(row["hex"]) for row in rows["read"] + rows["refused"] if row["hex"]]
    numbers = {name: number for number, name in senml.LABELS.items()}
    for name in ("rfc8428.json", "refused.json"):
        for row in json.loads((vectors / "senml" / name).read_text()):
            found.append(json.dumps(row["pack"]).encode())
            packed = [{numbers.get(k, k): v for k, v in one.items()} for one in row["pack"]]
            found.append(cbor2.dumps(packed))
    documents: list[Any] = [
        {"temperature": 21.4, "rpm": 900, "on": True, "mode": "auto", "air.temp": 1.5},
        {"ts": cbor2.CBORTag(1, 1772366300), "values": {"temperature": 21.4}},
        {"ts": cbor2.CBORTag(0, "2026-03-01T11:00:00Z"), "values": {"rpm": 1}},
        [{"rpm": 1}, {"ts": 1772366300000, "values": {"rpm": 2}}],
        {"detail": {"a": [1, {"b": None}], "raw": b"\x00\x01"}},
        {"temperature": cbor2.CBORTag(4, [-1, 214])},
    ]
    found += [cbor2.dumps(one) for one in documents] + [in_json(one) for one in documents]
    return [*found, b"21.4", b"true", b"open"]


if __name__ == "__main__":
    sys.exit(main("payloads", Harness(), load_corpus(), held_bytes=0))

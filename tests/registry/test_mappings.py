"""The mapping section of a type's document: what it says, and every mistake with its place."""

from typing import Any

import pytest

from weft.errors import Invalid
from weft.model.device import Field
from weft.model.mapping import Bits, Condition, Mapping, Source, Stamp
from weft.registry.mappings import read_mapping

TELEMETRY = {
    "temperature": Field("number", unit="Cel"),
    "count": Field("integer"),
    "door": Field("boolean"),
    "state": Field("string"),
}
PROPERTIES = {"firmware": Field("string")}
EVENTS = {"leak": {"litres": Field("number", unit="L")}}


def read(section: Any) -> Mapping | None:
    return read_mapping(section, "mapping", TELEMETRY, PROPERTIES, EVENTS)


def test_a_type_without_a_mapping_has_none() -> None:
    assert read(None) is None


def test_all_words_are_read() -> None:
    assert read(
        {
            "format": "json",
            "unmapped": "ignore",
            "each": "readings",
            "time": {"from": "$.at", "unit": "s"},
            "telemetry": {
                "temperature": {"from": "t", "unit": "K", "when": {"kind": [1, 2]}},
                "count": {"from": "n", "scale": 10, "offset": 1, "default": 0, "parse": True},
                "state": {"constant": "on"},
                "door": {"from": "d", "values": {"open": True, "shut": False}},
            },
            "properties": {"firmware": "fw.version"},
            "events": {"leak": {"litres": {"from": "ml", "unit": "mL"}}},
            "ignore": ["debug.x"],
        }
    ) == Mapping(
        ignores_unmapped=True,
        each=("readings",),
        stamp=Stamp(("at",), True, "s"),
        telemetry={
            "temperature": Source(
                ("t",), offset=-273.15, unit="K", when=(Condition(("kind",), (1, 2)),)
            ),
            "count": Source(("n",), scale=10, offset=1, default=0, parse=True),
            "state": Source(constant="on"),
            "door": Source(("d",), values={"open": True, "shut": False}),
        },
        properties={"firmware": Source(("fw", "version"))},
        events={"leak": {"litres": Source(("ml",), scale=0.001, unit="mL")}},
        ignore=(("debug", "x"),),
        maps_telemetry=True,
    )


def test_bits_of_a_binary_uplink_are_read() -> None:
    mapping = read(
        {
            "format": "binary",
            "binary": {
                "order": "little",
                "min_bytes": 3,
                "max_bytes": 51,
                "fields": {
                    "temperature": {"byte": 0, "bytes": 2, "signed": True, "scale": 0.1},
                    "door": {"byte": 2, "bit": 7, "when": {"byte[0]": 1}, "optional": True},
                    "count": {"byte": 3, "bytes": 4, "order": "big"},
                },
            },
        }
    )
    assert mapping is not None
    assert mapping.format == "binary"
    assert mapping.telemetry["temperature"].bits == Bits(0, 2, signed=True, little=True)
    door = mapping.telemetry["door"]
    assert door.bits == Bits(2, 1, 7, 1, little=True, optional=True)
    assert door.when == (Condition(("byte", 0), (1,), 0),)
    assert mapping.telemetry["count"].bits == Bits(3, 4)


@pytest.mark.parametrize(
    ("section", "says", "remedy"),
    [
        ({"telemetri": {}}, "mapping.telemetri is not a word", "telemetry"),
        ({"format": "xml"}, "mapping.format is 'xml'", "cbor"),
        ({"format": "binary"}, "mapping.binary does not say", "fields"),
        ({"telemetry": {"temprature": "t"}}, "mapping.telemetry.temprature", "temperature"),
        ({"telemetry": {"count": {}}}, "does not say where", "constant"),
        ({"telemetry": {"count": {"from": "a", "constant": 1}}}, "does not say where", ""),
        ({"telemetry": {"count": "a..b"}}, "mapping.telemetry.count.from", "path"),
        ({"telemetry": {"count": {"constant": "x"}}}, "declares integer", "integer"),
        ({"telemetry": {"count": {"from": "a", "default": "x"}}}, "declares integer", ""),
        ({"telemetry": {"count": {"from": "a", "scale": 0}}}, "scale is 0", ""),
        ({"telemetry": {"count": {"from": "a", "scale": "x"}}}, "scale is 'x'", "number"),
        ({"telemetry": {"state": {"from": "a", "scale": 2}}}, "at the type string", "scaled"),
        ({"telemetry": {"temperature": {"from": "a", "unit": "V"}}}, "unit is 'V'", "UCUM"),
        ({"telemetry": {"temperature": {"from": "a", "unit": "°F"}}}, "'°F'", "[degF]"),
        ({"telemetry": {"count": {"from": "a", "unit": "V"}}}, "own unit, none", ""),
        ({"telemetry": {"door": {"from": "a", "values": {"x": 1}}}}, "values.x is 1", "boolean"),
        ({"telemetry": {"count": {"from": "a", "parse": 1}}}, "parse is no boolean", ""),
        ({"telemetry": {"count": {"from": "a", "when": {"p": {}}}}}, "when.p is no value", ""),
        ({"properties": {"firmwar": "f"}}, "mapping.properties.firmwar", "firmware"),
        ({"events": {"leek": {}}}, "mapping.events.leek", "leak"),
        ({"time": {"unit": "s"}}, "mapping.time has no from", ""),
        ({"time": {"from": "t", "unit": "y"}}, "mapping.time.unit is 'y'", "ms"),
        ({"time": "$"}, "the whole payload", ""),
        ({"ignore": "a"}, "mapping.ignore is no list", "unmapped"),
        ({"ignore": ["a..b"]}, "mapping.ignore[0]", ""),
        ({"unmapped": "drop"}, "mapping.unmapped is 'drop'", "ignore"),
        ({"binary": {}}, "mapping.binary has no fields", ""),
        ({"binary": {"fields": {"door": {}}}}, "fields.door has no byte", ""),
        ({"binary": {"fields": {"door": {"byte": 0, "bits": 2}}}}, "bits has no bit", ""),
        ({"binary": {"fields": {"door": {"byte": 0, "bit": 7, "bits": 2}}}}, "2 bit(s)", ""),
        ({"binary": {"fields": {"count": {"byte": 0, "bytes": 9}}}}, "bytes is 9", "1 to 8"),
        ({"binary": {"fields": {"count": {"byte": -1}}}}, "byte is -1", ""),
        (
            {"binary": {"fields": {"count": {"byte": 0, "bytes": 3, "float": True}}}},
            "float",
            "2, 4",
        ),
        ({"binary": {"min_bytes": 9, "max_bytes": 3, "fields": {}}}, "above", "Swap"),
        (
            {"format": "binary", "binary": {"from": "d", "fields": {"count": {"byte": 0}}}},
            "binary.from names a place",
            "json",
        ),
        (
            {"telemetry": {"count": "n"}, "binary": {"fields": {"count": {"byte": 0}}}},
            "says twice where count",
            "",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(section: Any, says: str, remedy: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(section)
    assert says in refused.value.detail
    assert remedy in refused.value.remedy
    assert refused.value.remedy

"""Mappings: values that are stored with their type, and paths as people write them."""

import msgspec

from weft.model.mapping import Bits, Condition, Mapping, Source, shown


def test_a_path_is_shown_as_it_is_written() -> None:
    assert shown(("sensor", "values", 0, "t")) == "sensor.values[0].t"
    assert shown(("rx info", "a")) == '["rx info"].a'
    assert shown(()) == "$"


def test_a_mapping_comes_back_from_the_disk() -> None:
    source = Source(bits=Bits(1, 2), when=(Condition(("fPort",), (2,)),), values={"0": False})
    mapping = Mapping("cbor", telemetry={"a": source}, ignore=(("b", 0),), maps_telemetry=True)
    stored = msgspec.msgpack.encode(mapping)
    assert msgspec.msgpack.decode(stored, type=Mapping) == mapping

"""What an edge node says, in native words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.ingest.support import PUMP_7, Devices, device

from weft.errors import Forbidden, Invalid, PayloadInvalid, PeerError
from weft.ingest.dialects.dialect import Said, Speaker, UnknownChildren
from weft.ingest.dialects.sparkplug import NAME, Sparkplug, plain
from weft.wire.payload.sparkplug import (
    DataSet,
    DataType,
    Metric,
    Payload,
    Property,
    Template,
    encode,
)

EDGE = device()
MOTOR = replace(device("motor-1", None), gateway=EDGE.uid, alias="motor")
SPEAKER = Speaker(PUMP_7, EDGE, Devices(EDGE, MOTOR))
AT = 1_772_366_400_000
PRIVATE = "devices/{}/dialects/sparkplug/host/"


class Edge:
    """An edge node's end: it counts, and sends to the table."""

    def __init__(self) -> None:
        self.table = Sparkplug()
        self.seq = 0

    def send(self, kind: str, *metrics: Metric, seq: int | None = None) -> list[Said]:
        self.seq = (self.seq + 1) % 256 if seq is None else seq
        below = "/motor" if kind.startswith("D") else ""
        payload = encode(Payload(metrics, timestamp=AT, seq=self.seq))
        return list(self.table.read(SPEAKER, f"spBv1.0/plant/{kind}/pump-7{below}", payload))

    def birth(self, *metrics: Metric) -> list[Said]:
        return self.send("NBIRTH", *metrics, seq=0)


def number(name: str = "", alias: int | None = None, value: Any = 1.5, **more: Any) -> Metric:
    datatype = DataType.DOUBLE if name else DataType.UNKNOWN
    return Metric(name, alias, datatype=datatype, value=value, **more)


def telemetry(said: list[Said]) -> dict[str, Any]:
    """What is told of each device, as (topic -> readings)."""
    return {one.topic: json.loads(one.payload) for one in said if one.topic.endswith("/telemetry")}


def asked(said: list[Said]) -> list[str]:
    return [one.topic for one in said if "/dialects/" in one.topic]


def test_a_birth_and_data_are_telemetry_by_name_at_their_own_moment() -> None:
    edge = Edge()
    said = edge.birth(
        number("bdSeq", value=3.0),
        Metric("Node Control/Rebirth", datatype=DataType.BOOLEAN, value=False),
        number("temperature", 1),
        number("rpm", 2, timestamp=AT + 5),
    )
    assert telemetry(said) == {
        "devices/me/telemetry": [
            {"ts": AT, "values": {"temperature": 1.5}},
            {"ts": AT + 5, "values": {"rpm": 1.5}},
        ]
    }
    assert asked(said) == [PRIVATE.format("me") + "born/plant/pump-7"]
    assert telemetry(edge.send("NDATA", number(alias=1, value=22.0))) == {
        "devices/me/telemetry": [{"ts": AT, "values": {"temperature": 22.0}}]
    }


def test_a_device_below_is_the_child_of_its_name() -> None:
    edge = Edge()
    edge.birth()
    said = edge.send("DBIRTH", number("rpm", 7))
    assert telemetry(said) == {"devices/motor-1/telemetry": [{"ts": AT, "values": {"rpm": 1.5}}]}
    assert asked(said) == [PRIVATE.format("motor-1") + "born/plant/pump-7/motor"]
    assert asked(edge.send("DDEATH")) == [PRIVATE.format("motor-1") + "died/plant/pump-7/motor"]
    unknown = edge.send("DDATA", number(alias=7))
    assert [one.refused is not None for one in unknown].count(True) == 1


REBIRTH = PRIVATE.format("me") + "rebirth/plant/pump-7"


def test_a_number_that_is_missing_asks_for_a_birth_and_loses_nothing() -> None:
    edge = Edge()
    edge.birth(number("rpm", 1))
    said = edge.send("NDATA", number(alias=1), seq=5)
    assert asked(said) == [REBIRTH]
    assert telemetry(said)
    assert asked(edge.send("NDATA", number(alias=1))) == []


def test_what_no_birth_has_named_is_refused_alone_and_asked_for() -> None:
    edge = Edge()
    said = edge.send("NDATA", number(alias=1), number("rpm"))
    assert telemetry(said) == {"devices/me/telemetry": [{"ts": AT, "values": {"rpm": 1.5}}]}
    (refused,) = [one for one in said if one.refused is not None]
    assert isinstance(refused.refused, PayloadInvalid)
    assert refused.topic == "spBv1.0/plant/NDATA/pump-7"
    assert REBIRTH in asked(said)


def test_a_write_that_has_come_back_is_its_commands_result_at_once() -> None:
    """In the journal with the data that shows it: a crash behind that loses no outcome."""
    edge = Edge()
    edge.birth(number("temperature", 1))
    edge.send("DBIRTH", number("speed", 2))
    node = edge.table.births.of(("acme", PUMP_7.uid, "plant", "pump-7"))
    node.expect("motor", "r-1", {"speed": 750.0})
    said = edge.send("DDATA", number("", 2, 750.0))
    assert [(one.topic, json.loads(one.payload)) for one in said][1:] == [
        ("devices/motor-1/commands/r-1/result", {"status": "succeeded"})
    ]


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.STRING_ARRAY, b"\xff\0"),
        (DataType.STRING_ARRAY, b"no end"),
        (DataType.BOOLEAN_ARRAY, (800_000).to_bytes(4, "little") + bytes(100_000)),
        (DataType.INT8_ARRAY, bytes(100_000)),
    ],
)
def test_an_array_of_which_the_birth_told_the_type_is_read_or_refused(
    datatype: DataType, value: bytes
) -> None:
    """Data leaves its type out: what cannot be that is refused as it is where the type is told."""
    edge = Edge()
    edge.birth(Metric("states", 5, datatype=datatype, value=None, is_null=True))
    with pytest.raises(PayloadInvalid, match=r"array|values"):
        edge.send("NDATA", Metric(alias=5, value=value))


def test_many_arrays_of_which_the_birth_told_the_type_are_counted_together() -> None:
    edge = Edge()
    kind = DataType.BOOLEAN_ARRAY
    edge.birth(*(Metric(f"m{one}", one, datatype=kind, is_null=True) for one in range(40)))
    value = (40_000).to_bytes(4, "little") + bytes(5_000)
    with pytest.raises(PayloadInvalid, match="values"):
        edge.send("NDATA", *(Metric(alias=one, value=value) for one in range(40)))


def test_a_type_that_only_the_birth_told_is_used() -> None:
    """A signed number travels in an unsigned field (6.4.16)."""
    edge = Edge()
    edge.birth(Metric("level", 1, datatype=DataType.INT32, value=-5))
    said = edge.send("NDATA", Metric(alias=1, value=2**32 - 7))
    assert telemetry(said)["devices/me/telemetry"][0]["values"] == {"level": -7}


def test_a_death_of_an_earlier_connection_is_none() -> None:
    """The will of a session that was taken over comes late; bdSeq tells (6.4.19)."""
    edge = Edge()
    edge.birth(Metric("bdSeq", datatype=DataType.INT64, value=4), number("rpm", 1))
    late = edge.send("NDEATH", Metric("bdSeq", datatype=DataType.INT64, value=3))
    assert asked(late) == [PRIVATE.format("me") + "outdated/plant/pump-7"]
    assert telemetry(edge.send("NDATA", number(alias=1), seq=1))
    death = edge.send("NDEATH", Metric("bdSeq", datatype=DataType.INT64, value=4))
    assert asked(death) == [PRIVATE.format("me") + "died/plant/pump-7"]
    assert not telemetry(edge.send("NDATA", number(alias=1)))


def test_an_old_message_that_is_redriven_teaches_nothing() -> None:
    """A birth from the inbox does not give today's aliases other names."""
    edge = Edge()
    edge.birth(number("rpm", 1))
    before = SPEAKER._replace(again=True)
    old = encode(Payload((number("level", 1),), timestamp=AT, seq=77))
    for kind in ("NBIRTH", "NDEATH"):
        said = edge.table.read(before, f"spBv1.0/plant/{kind}/pump-7", old)
        assert REBIRTH not in asked(list(said))
    assert telemetry(edge.send("NDATA", number(alias=1))) == {
        "devices/me/telemetry": [{"ts": AT, "values": {"rpm": 1.5}}]
    }
    late = encode(Payload((number(alias=1),), timestamp=AT, seq=200))
    said = list(edge.table.read(before, "spBv1.0/plant/NDATA/pump-7", late))
    assert telemetry(said)["devices/me/telemetry"][0]["values"] == {"rpm": 1.5}
    assert asked(said) == []


@pytest.mark.parametrize(
    "topic",
    ["spBv1.0/plant/NCMD/pump-7", "spBv1.0/STATE/weft", "spBv1.0/plant/NDATA", "spBv1.0/a/b/c/d/e"],
)
def test_what_no_edge_node_sends_is_told(topic: str) -> None:
    with pytest.raises(Invalid):
        Sparkplug().read(SPEAKER, topic, b"")


def test_id_4_an_edge_node_speaks_for_itself_and_its_own_devices() -> None:
    """The topic names somebody else: refused, whatever it says."""
    table = Sparkplug()
    payload = encode(Payload(timestamp=AT, seq=0))
    with pytest.raises(Forbidden):
        table.read(SPEAKER, "spBv1.0/plant/NBIRTH/pump-8", payload)
    with pytest.raises(UnknownChildren):
        table.read(SPEAKER, "spBv1.0/plant/DBIRTH/pump-7/other", payload)
    labelled = Speaker(PUMP_7, replace(EDGE, label="Edge 8"), Devices(EDGE))
    assert table.read(labelled, "spBv1.0/plant/NBIRTH/Edge 8", payload)


def test_a_value_without_a_moment_is_told() -> None:
    payload = encode(Payload((number("rpm"),), seq=0))
    with pytest.raises(PayloadInvalid):
        Sparkplug().read(SPEAKER, "spBv1.0/plant/NBIRTH/pump-7", payload)


def test_filters_and_deliveries() -> None:
    table = Sparkplug()
    private = "devices/pump-7/dialects/sparkplug/plant/NCMD/pump-7"
    assert table.native_filter("spBv1.0/plant/NCMD/pump-7/#", "pump-7") == private + "/#"
    assert table.native_filter("spBv1.0/STATE/weft", "pump-7") is None
    assert table.own_topic(private, "pump-7") == "spBv1.0/plant/NCMD/pump-7"
    assert table.own_topic("devices/pump-7/telemetry", "pump-7") is None
    assert table.name == NAME


def test_every_kind_of_value_is_told_as_json_has_it() -> None:
    """What JSON has no word for becomes one that is read again."""
    assert plain(b"\x01\x02") == "AQI="
    assert plain(2**64 - 1) == float(2**64 - 1)
    assert plain((1, None)) == [1, None]
    assert plain(DataSet(("a",), (3,), ((1,), (2,)))) == {"columns": ["a"], "rows": [[1], [2]]}
    assert plain(Template((number("x"), Metric("y")))) == {"x": 1.5}
    assert plain({"p": Property(3, 5)}) == {"p": 5}


@given(st.text(max_size=30), st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(rest: str, payload: bytes) -> None:
    table = Sparkplug()
    for topic in ("spBv1.0/" + rest, "spBv1.0/plant/NDATA/pump-7", "spBv1.0/plant/NBIRTH/pump-7"):
        try:
            table.read(SPEAKER, topic, payload)
        except PeerError:
            continue

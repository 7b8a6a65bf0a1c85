"""Cutting a stream: the same packets however it was split, and memory that stays bounded."""

from itertools import pairwise

import pytest
from fuzz.fuzz_mqtt import Mqtt, load_corpus
from fuzz.harness import Find, run
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.mqtt.support import client_packets, opened

from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.limits import DEFAULT_LIMITS
from weft.wire.mqtt.packets import Auth, Connect, Disconnect, Packet, Publish
from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.server import ServerConnection
from weft.wire.mqtt.stream import State


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes in pieces."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def events(machine: ServerConnection, pieces: list[bytes]) -> tuple[object, ...]:
    """All that can be seen of a connection after these reads."""
    packets: list[Packet] = []
    output = b""
    for piece in pieces:
        packets += machine.receive_data(piece)
        output += machine.take_output()
    error = machine.error and (machine.error.reason, machine.error.detail)
    return packets, output, error, machine.state, set(machine.unreleased)


_TALK = st.lists(
    client_packets(5).filter(lambda one: not isinstance(one, Connect | Auth)), max_size=6
).map(lambda packets: b"".join(encode(one, 5) for one in packets))


@given(talk=_TALK, noise=st.binary(max_size=8), cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(
    talk: bytes, noise: bytes, cuts: list[int]
) -> None:
    """Packets before a breach are not lost, whatever reads the network made of them."""
    data = talk + noise
    assert events(opened(), split(data, cuts)) == events(opened(), [data])


@given(data=st.binary(max_size=80), cuts=st.lists(st.integers(0, 100), max_size=5))
def test_a_stranger_is_treated_the_same_however_split(data: bytes, cuts: list[int]) -> None:
    """Before CONNECT too."""
    hello = b"\x10" + data
    assert events(ServerConnection(), split(hello, cuts)) == events(ServerConnection(), [hello])


def test_a_packet_byte_by_byte_is_held_and_then_let_go() -> None:
    """What is held is what has come of one packet; nothing stays behind."""
    machine = opened(4)
    data = encode(Publish("a/b", b"x" * 300, 1, packet_id=3), 4)
    for count, byte in enumerate(data[:-1], 1):
        assert machine.receive_data(bytes((byte,))) == []
        assert machine.buffered_bytes == count
    assert machine.receive_data(data[-1:]) == [Publish("a/b", b"x" * 300, 1, packet_id=3)]
    assert machine.buffered_bytes == 0


@pytest.mark.parametrize("version", [4, 5])
def test_a_packet_at_the_cap_is_taken_and_one_byte_more_is_refused_from_its_header(
    version: int,
) -> None:
    """MQ-5: 256 KiB; the larger one is refused before its body is waited for."""
    cap = DEFAULT_LIMITS.max_packet_bytes
    room = cap - len(encode(Publish("t", bytes(100_000)), version)) + 100_000
    whole = encode(Publish("t", bytes(room)), version)
    assert len(whole) == cap
    machine = opened(version)
    assert machine.receive_data(whole[:-1]) == []
    assert machine.receive_data(whole[-1:]) == [Publish("t", bytes(room))]

    larger = encode(Publish("t", bytes(room + 1)), version)
    machine = opened(version)
    assert machine.receive_data(larger[:5]) == []
    assert machine.error is not None
    assert machine.error.reason is Reason.PACKET_TOO_LARGE
    assert machine.buffered_bytes == 0


@pytest.mark.parametrize("length", [b"\xff\xff\xff\x7f", b"\x80\x80\x80\x30", b"\xfd\xff\x03"])
def test_a_stranger_who_announces_much_is_refused_at_once(length: bytes) -> None:
    """MQ-4: 14 packets of 100 MB cost nothing."""
    machine = ServerConnection()
    assert machine.receive_data(b"\x10" + length) == []
    assert machine.error is not None
    assert machine.error.reason is Reason.PACKET_TOO_LARGE
    assert machine.buffered_bytes == 0


def test_a_connect_at_64_kib_is_taken_and_one_byte_more_is_not() -> None:
    """MQ-4: the whole packet counts."""
    room = (
        64 * 1024 - len(encode(Connect("c", 4, username="u", password=b"x" * 20_000), 4)) + 20_000
    )
    fits = encode(Connect("c", 4, username="u", password=b"x" * room), 4)
    assert len(fits) == 64 * 1024
    machine = ServerConnection()
    assert len(machine.receive_data(fits)) == 1
    larger = encode(Connect("c", 4, username="u" * 2, password=b"x" * room), 4)
    machine = ServerConnection()
    assert machine.receive_data(larger[:6]) == []
    assert machine.error is not None


@pytest.mark.parametrize("first", [b"\x30\x05", b"\xc0\x00", b"GET / HTTP/1.1", b"\x00\x00"])
def test_a_stranger_begins_with_connect(first: bytes) -> None:
    """MQ-4 [MQTT-3.1.0-1]: refused from the header, without waiting for a body."""
    machine = ServerConnection()
    assert machine.receive_data(first) == []
    assert machine.error is not None
    assert machine.error.clause == "MQTT-3.1.0-1"
    assert machine.disconnect(machine.error.reason) == b""


@pytest.mark.parametrize(("extra", "fits"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_what_comes_behind_connect_waits_within_64_kib(extra: int, fits: bool) -> None:
    """MQ-4: a client may send on before CONNACK, but not much."""
    machine = ServerConnection()
    hello = encode(Connect("c", 4), 4)
    pings = b"\xc0\x00" * (extra // 2) + b"\xc0" * (extra % 2)
    assert len(machine.receive_data(hello + pings[:1000])) == 1
    assert machine.receive_data(pings[1000:]) == []
    assert (machine.error is None) is fits
    if not fits:
        assert machine.buffered_bytes == 0
        with pytest.raises(RuntimeError, match="too much"):
            machine.accept()
        assert machine.disconnect(Reason.PACKET_TOO_LARGE) == b""  # 3.1.1 has no word for it
        return
    assert machine.buffered_bytes == extra
    assert not machine.has_output
    machine.accept()
    assert machine.receive_data(b"") == []
    assert machine.take_output() == b"\xd0\x00" * (extra // 2)


def test_a_flood_in_the_read_of_connect_is_refused_too() -> None:
    """MQ-4: the bound holds whether the bytes come with CONNECT or behind it."""
    machine = ServerConnection()
    flood = b"\xc0\x00" * 40_000
    assert len(machine.receive_data(encode(Connect("c"), 5) + flood)) == 1
    assert machine.error is not None
    assert machine.buffered_bytes == 0
    assert machine.disconnect(machine.error.reason).hex() == "2003009500"


def test_nothing_is_read_after_the_end() -> None:
    """[MQTT-3.14.4-1]; and after a breach nothing is kept either."""
    machine = opened(5)
    assert machine.receive_data(b"\xe0\x00\xc0\x00") == [Disconnect()]
    assert machine.state is State.CLOSED
    assert machine.receive_data(b"\xc0\x00" * 1000) == []
    assert not machine.has_output
    assert machine.buffered_bytes == 0

    machine = opened(5)
    assert machine.receive_data(b"\xc0\x00\xc0\x01\x00") == []
    assert machine.take_output() == b"\xd0\x00"
    assert machine.error is not None
    assert machine.receive_data(b"\xc0\x00" * 1000) == []
    assert machine.buffered_bytes == 0


def test_only_whole_packets_are_a_sign_of_life() -> None:
    """A client that drips single bytes is as silent as one that sends none."""
    machine = opened(4)
    machine.receive_data(b"\x30\x10\x00", 5.0)
    assert machine.heard_at == 0.0
    machine.receive_data(b"\x01a" + b"b" * 13 + b"\xc0\x00", 7.0)
    assert machine.heard_at == 7.0


def test_a_short_fuzz_run_finds_nothing() -> None:
    """Mutated conversations with both ends; the long run is fuzz/fuzz_mqtt.py."""
    found = run(Mqtt(), load_corpus(), inputs=5000, seed=3, held_bytes=300_000)
    assert found["inputs"] == 5000
    assert 0 < found["refused"] < 5000


def test_the_fuzzer_would_find_a_foreign_exception_and_a_leak() -> None:
    """A fuzzer that cannot fail proves nothing."""

    def falls_over(data: bytes) -> int:
        return data.index(b"\x00") and 0

    with pytest.raises(Find, match="ValueError"):
        run(falls_over, [b"\x00\x01"], inputs=2000, seed=1, held_bytes=10)
    with pytest.raises(Find, match="11 bytes held"):
        run(lambda _: 11, [b"\x00"], inputs=1, seed=1, held_bytes=10)

"""Decoding: every named packet, and every packet that can be built."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.mqtt.support import VERSIONS, client_packets, load_vectors, plain, server_packets

from weft.wire.mqtt.decode import decode
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.packets import Packet
from weft.wire.mqtt.reasons import MqttError

ROWS = load_vectors()


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_a_named_packet_reads_as_its_vector_says(row: dict[str, Any]) -> None:
    """The bytes were written by hand from the specification, not by our encoder."""
    data = bytes.fromhex(row["hex"])
    from_client = row["from"] == "client"
    version = VERSIONS[row["version"]]
    if "packet" in row:
        assert plain(decode(data, version, from_client=from_client)) == row["packet"]
        return
    with pytest.raises(MqttError) as caught:
        decode(data, version, from_client=from_client)
    assert caught.value.reason.name == row["error"]["reason"]
    assert caught.value.clause == row["error"]["clause"]
    assert caught.value.detail
    assert caught.value.remedy


def test_the_catalogue_is_large_and_its_names_are_unique() -> None:
    """Both versions, legal and illegal; a name is how a find is talked about."""
    names = [row["name"] for row in ROWS]
    assert len(set(names)) == len(names) >= 250
    for version in VERSIONS:
        mine = [row for row in ROWS if row["version"] == version]
        assert sum("packet" in row for row in mine) >= 30
        assert sum("error" in row for row in mine) >= 50


@given(packet=client_packets(4))
def test_what_a_311_client_says_reads_as_it_was_written(packet: Packet) -> None:
    """decode(encode(x)) == x."""
    assert decode(encode(packet, 4), 4, from_client=True) == packet


@given(packet=client_packets(5))
def test_what_a_5_client_says_reads_as_it_was_written(packet: Packet) -> None:
    """decode(encode(x)) == x."""
    assert decode(encode(packet, 5), 5, from_client=True) == packet


@given(packet=server_packets(4))
def test_what_a_311_server_says_reads_as_it_was_written(packet: Packet) -> None:
    """decode(encode(x)) == x."""
    assert decode(encode(packet, 4), 4, from_client=False) == packet


@given(packet=server_packets(5))
def test_what_a_5_server_says_reads_as_it_was_written(packet: Packet) -> None:
    """decode(encode(x)) == x."""
    assert decode(encode(packet, 5), 5, from_client=False) == packet


@given(data=st.binary(max_size=60), version=st.sampled_from([4, 5]), from_client=st.booleans())
def test_noise_raises_nothing_but_the_peers_fault(
    data: bytes, version: int, from_client: bool
) -> None:
    """Whatever comes, it is a packet or the peer's fault."""
    with suppress(MqttError):
        decode(data, version, from_client=from_client)

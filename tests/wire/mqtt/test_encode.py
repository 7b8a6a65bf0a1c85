"""Encoding: the shortest form, and what a version cannot say is left out."""

from typing import Any

import pytest
from tests.wire.mqtt.support import VERSIONS, load_vectors

from weft.wire.mqtt import packets as p
from weft.wire.mqtt.decode import decode
from weft.wire.mqtt.encode import encode, frame, short_acknowledgements
from weft.wire.mqtt.reasons import Reason

# Legal, but not the shortest form of what they say, or in another order of properties.
LONGER = {
    "puback-5-empty-properties",
    "pubrec-5-empty-properties",
    "pubrel-5-empty-properties",
    "pubcomp-5-empty-properties",
}
REORDERED = {
    "connack-5-all-properties",
    "connack-5-refused",
    "connect-5-all-properties",
    "connect-5-will-properties",
    "publish-5-all-properties",
}
LEGAL = [row for row in load_vectors() if "packet" in row and row["name"] not in LONGER]


@pytest.mark.parametrize("row", LEGAL, ids=[row["name"] for row in LEGAL])
def test_a_legal_packet_is_written_as_it_was_read(row: dict[str, Any]) -> None:
    """Byte for byte, except that properties are written in the order of their table."""
    data = bytes.fromhex(row["hex"])
    version = VERSIONS[row["version"]]
    from_client = row["from"] == "client"
    packet = decode(data, version, from_client=from_client)
    again = encode(packet, version)
    if row["name"] in REORDERED:
        assert len(again) == len(data)
        assert decode(again, version, from_client=from_client) == packet
    else:
        assert again == data


def test_a_long_form_of_success_is_written_short() -> None:
    """Four bytes are enough to say that all is well."""
    assert encode(decode(bytes.fromhex("400400010000"), 5, from_client=True), 5).hex() == "40020001"


def test_many_acknowledgements_make_one_write() -> None:
    """In the order in which the messages came [MQTT-4.6.0-2]."""
    assert short_acknowledgements(p.Puback, [1, 513]).hex() == "4002000140020201"


def test_311_has_no_word_for_most_reasons() -> None:
    """A refusal without a return code is silence; a failed filter is 0x80."""
    assert encode(p.Connack(reason=Reason.BANNED), 4).hex() == "20020005"
    assert encode(p.Connack(reason=Reason.PACKET_TOO_LARGE), 4) == b""
    assert encode(p.Suback(1, (Reason.NOT_AUTHORIZED,)), 4).hex() == "9003000180"
    assert encode(p.Unsuback(1, (Reason.SUCCESS,)), 4).hex() == "b0020001"
    assert encode(p.Disconnect(Reason.SERVER_BUSY), 4).hex() == "e000"


def test_311_gets_neither_properties_nor_options() -> None:
    """A message with MQTT 5 properties goes to an old subscriber without them."""
    held = p.Properties(content_type="x")
    assert encode(p.Publish("a", b"1", properties=held), 4).hex() == "30040001" + "6131"
    options = p.Filter("a", 1, no_local=True, retain_handling=2)
    assert encode(p.Subscribe(1, (options,)), 4).hex() == "820600010001" + "6101"


def test_lengths_grow_a_byte_at_their_bounds() -> None:
    """127 fits in one byte of length, 128 does not."""
    assert frame(0x30, bytes(127))[:2].hex() == "307f"
    assert frame(0x30, bytes(128))[:3].hex() == "308001"

"""One DTLS peer: what it sends, and how what went wrong is told."""

import os
from itertools import permutations

import pytest
from OpenSSL import SSL
from tests.security.support import MAIN
from tests.transports.dtls.support import HERE, House, key_context

from weft.transports.dtls.records import HEADER_BYTES


async def test_a_large_message_is_one_datagram(house: House) -> None:
    """CoAP's blocks keep them small; DTLS does not cut them."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    assert client.shake()
    message = bytes(range(256)) * 4
    assert client.ask(message) == b"echo " + message


async def test_a_broken_session_tells_its_reason(house: House) -> None:
    """In words where we have some, by OpenSSL's name where not."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    assert client.shake()
    association = next(iter(house.door._live.values()))
    known = association.explain(SSL.Error([("SSL routines", "", "no shared cipher")]))
    assert "no cipher suite" in known
    assert "odd thing" in association.explain(SSL.Error([("SSL routines", "", "odd thing")]))


ORDERS = sorted(permutations(range(3)))  # ClientKeyExchange, ChangeCipherSpec, Finished


@pytest.mark.parametrize("order", ORDERS)
async def test_co_3_a_flight_that_was_mixed_up_is_no_wrong_key(
    house: House, order: tuple[int, ...]
) -> None:
    """A network may deliver in any order; at the latest what is sent again opens."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    records = client.flight()
    assert len(records) == 3
    for number in order:
        house.door.receive(records[number], HERE)
    if not house.inner.of("opened"):
        assert house.door.shaking == 1
        house.door.receive(b"".join(records), HERE)  # copies count for nothing
        assert house.door.shaking == 1
        for datagram in client.repeated():
            house.door.receive(datagram, HERE)
    assert house.inner.of("opened") == ["meter-1"]
    attempts = house.world.door.attempts.of_device(MAIN, "meter-1")
    assert [attempt.accepted for attempt in attempts] == [True]
    assert client.shake()


@pytest.mark.parametrize("order", ORDERS)
async def test_au_5_a_wrong_key_is_found_whatever_the_order(
    house: House, order: tuple[int, ...]
) -> None:
    """In the flight itself, or as soon as it comes again."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, os.urandom(32)))
    records = client.flight()
    for number in order:
        house.door.receive(records[number], HERE)
    if house.door.shaking:
        for datagram in client.repeated():
            house.door.receive(datagram, HERE)
    (attempt,) = house.world.door.attempts.of_device(MAIN, "meter-1")
    assert "key is wrong" in attempt.reason
    assert house.door.shaking == 0


async def test_co_3_a_name_in_fragments_that_come_last_is_no_wrong_key(house: House) -> None:
    """ClientKeyExchange in two records, the second of them behind the client's Finished."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    exchange, *rest = client.flight()
    first, second = fragments_of(exchange)
    for record in (first, *rest, second):
        house.door.receive(record, HERE)
    assert house.door.shaking == 1
    for datagram in client.repeated():
        house.door.receive(datagram, HERE)
    assert house.inner.of("opened") == ["meter-1"]


def fragments_of(record: bytes) -> tuple[bytes, bytes]:
    """A handshake record as two, each with half of its message (RFC 6347 4.2.3)."""
    header, kind, body = record[:HEADER_BYTES], record[13:19], record[25:]
    half = len(body) // 2
    found = []
    for sequence, start, part in ((0x11, 0, body[:half]), (0x12, half, body[half:])):
        message = kind + start.to_bytes(3, "big") + len(part).to_bytes(3, "big") + part
        head = header[:9] + sequence.to_bytes(2, "big") + len(message).to_bytes(2, "big")
        found.append(head + message)
    return found[0], found[1]

"""Records: a ClientHello told from noise, and datagrams cut at records."""

from hypothesis import given
from hypothesis import strategies as st

from weft.transports.dtls.records import (
    DTLS_1_2,
    HEADER_BYTES,
    ClientHello,
    datagrams_of,
    hello_verify_request,
    plain_alert,
    read_client_hello,
    split_records,
)

RANDOM = bytes(range(32))


def client_hello(cookie: bytes = b"", suites: bytes = b"\xc0\xa8\x00\xa8") -> bytes:
    """A ClientHello as a client sends it, RFC 6347 4.2.2."""
    body = DTLS_1_2 + RANDOM + b"\0" + bytes([len(cookie)]) + cookie
    body += len(suites).to_bytes(2, "big") + suites + b"\1\0"
    length = len(body).to_bytes(3, "big")
    message = b"\1" + length + b"\0\0" + b"\0\0\0" + length + body
    head = b"\x16\xfe\xff\0\0" + (7).to_bytes(6, "big")
    return head + len(message).to_bytes(2, "big") + message


def test_a_client_hello_is_read() -> None:
    """Its sequence, random, cookie and suites."""
    found = read_client_hello(client_hello(b"c" * 16))
    assert found == ClientHello(
        (7).to_bytes(8, "big"), RANDOM, b"c" * 16, frozenset({0xC0A8, 0x00A8})
    )


def test_a_client_hello_in_fragments_is_not_taken() -> None:
    """Its cookie could not be checked without keeping the first part."""
    whole = bytearray(client_hello())
    whole[HEADER_BYTES + 11] -= 1
    assert read_client_hello(bytes(whole)) is None


@given(st.binary(max_size=200))
def test_noise_is_no_client_hello(noise: bytes) -> None:
    """Nothing raises, and every record lies within its datagram."""
    for datagram in (noise, client_hello()[:46] + noise, b"\x16\xfe\xfd" + noise):
        found = read_client_hello(datagram)
        assert found is None or found.suites
        assert sum(map(len, split_records(datagram))) <= len(datagram)


def test_co_2_the_answer_is_smaller_than_the_question() -> None:
    """And bears its sequence number [RFC 6347 4.2.1]."""
    hello = client_hello()
    found = read_client_hello(hello)
    assert found is not None
    answer = hello_verify_request(found, b"c" * 16)
    assert len(answer) <= len(hello)
    assert answer[3:11] == found.sequence
    assert [answer] == list(split_records(answer))


def test_records_are_packed_into_datagrams() -> None:
    """As many as fit; none is cut."""
    alert = plain_alert(40)
    assert datagrams_of(alert * 5, len(alert) * 2) == [alert * 2, alert * 2, alert]
    assert datagrams_of(b"", 100) == []

"""Addresses: to listen on, and of peers."""

import pytest

from weft.errors import ConfigurationError
from weft.security.attempts import address_of
from weft.transports.addresses import require_loopback, split_address, write_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:1883", "127.0.0.1", 1883), ("[::1]:0", "::1", 0), ("0.0.0.0:9", "0.0.0.0", 9)],
)
def test_an_address_is_read(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "1883", "localhost:1883", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:-1"]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address") as caught:
        split_address(text)
    assert "127.0.0.1:1883" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (("192.0.2.1", 5), "192.0.2.1:5"),
        (("2001:db8::1", 5, 0, 0), "[2001:db8::1]:5"),
        (None, "unknown"),
    ],
)
def test_a_peers_address_is_written_so_that_it_can_be_taken_apart(
    name: tuple[str, int] | None, text: str
) -> None:
    """As `address_of` does, or a port would count as a part of an IPv6 address."""
    assert write_address(name) == text
    assert address_of(text) == (name[0] if name else "unknown")


@pytest.mark.parametrize("listen", ["0.0.0.0:5683", "192.0.2.1:5683", "[::]:5683"])
def test_au_1_plaintext_stays_on_loopback(listen: str) -> None:
    """The remedy names the setting for every other address."""
    require_loopback("127.0.0.1:0", "transports.coap", "listen_dtls")
    with pytest.raises(ConfigurationError, match="open without TLS") as caught:
        require_loopback(listen, "transports.coap", "listen_dtls")
    assert "listen_dtls" in caught.value.remedy

"""One DTLS peer: what it sends, and how what went wrong is told."""

import pytest
from OpenSSL import SSL
from tests.transports.dtls.support import House, key_context

from weft.transports.dtls.association import text_of


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


@pytest.mark.parametrize(
    ("address", "text"), [(("192.0.2.1", 5), "192.0.2.1:5"), (("::1", 5), "[::1]:5")]
)
def test_addresses_read_as_in_logs(address: tuple[str, int], text: str) -> None:
    """As `address_of` takes them apart again."""
    assert text_of(address) == text

"""Cookies: good at one address for a minute or two."""

from weft.transports.dtls.cookies import COOKIE_BYTES, Cookies
from weft.transports.dtls.records import ClientHello

HELLO = ClientHello(bytes(8), bytes(32), b"", frozenset({0xC0A8}))
HERE = ("192.0.2.7", 5_000)


def cookie_in(answer: bytes) -> bytes:
    return answer[-COOKIE_BYTES:]


def test_co_2_a_cookie_is_of_one_address_and_one_start() -> None:
    """Another port, another address and another server's are not it."""
    now = [100.0]
    cookies, others = Cookies(lambda: now[0]), Cookies(lambda: now[0])
    given = cookie_in(cookies.ask(HELLO, HERE))
    assert cookies.is_good(given, HERE)
    assert not others.is_good(given, HERE)
    for address in (("192.0.2.7", 5_001), ("192.0.2.8", 5_000)):
        assert not cookies.is_good(given, address)
    for wrong in (b"", given[:-1], given + b"\0", bytes(COOKIE_BYTES)):
        assert not cookies.is_good(wrong, HERE)


def test_co_2_a_cookie_ends() -> None:
    """It outlives the minute that it was given in, and not the next."""
    now = [59.0]
    cookies = Cookies(lambda: now[0])
    given = cookie_in(cookies.ask(HELLO, HERE))
    now[0] = 119.0
    assert cookies.is_good(given, HERE)
    now[0] = 120.0
    assert not cookies.is_good(given, HERE)

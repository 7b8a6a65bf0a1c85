"""Cookies: proof that a peer receives at the address that it sends from, without state.

A cookie is the HMAC of address, port and minute under a secret of this start. It is good
for this minute and the next, so that a slow link is let in and an old one is not.
"""

import hashlib
import hmac
import os
from collections.abc import Callable

from weft.transports.dtls.records import ClientHello, hello_verify_request

COOKIE_BYTES = 16
PERIOD_S = 60.0

Address = tuple[str, int]


class Cookies:
    """Gives and checks cookies."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is the loop's clock, in seconds."""
        self._now = now
        self._secret = os.urandom(32)

    def ask(self, hello: ClientHello, address: Address) -> bytes:
        """Return the answer to a ClientHello without a good cookie."""
        return hello_verify_request(hello, self._cookie(address, self._period))

    def is_good(self, cookie: bytes, address: Address) -> bool:
        """Whether a cookie was given to this address lately."""
        if len(cookie) != COOKIE_BYTES:
            return False
        period = self._period
        return any(
            hmac.compare_digest(cookie, self._cookie(address, one)) for one in (period, period - 1)
        )

    @property
    def _period(self) -> int:
        return int(self._now() // PERIOD_S)

    def _cookie(self, address: Address, period: int) -> bytes:
        bound = f"{address[0]}|{address[1]}|{period}".encode()
        return hmac.digest(self._secret, bound, hashlib.sha256)[:COOKIE_BYTES]

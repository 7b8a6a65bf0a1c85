"""Echo: an address is proven by giving back what only its owner could have read (RFC 9175 2).

The value is a keyed digest of the address and the current window of time, so that nothing is
kept for who has not answered yet (CO-2). It is eight bytes: guessing one takes 2^63 datagrams
within the two windows that it is good for, and a first answer stays small.
"""

import hmac
from array import array

from weft.wire.coap.peers import Address

SIZE = 8
_SLOTS = 1 << 16  # half a megabyte, however many addresses are made up


class Echo:
    """Makes and checks values. The key is the caller's, random and at least 16 bytes."""

    def __init__(self, key: bytes, window_s: float) -> None:
        if len(key) < 16:
            raise ValueError("an Echo key has at least 16 bytes")
        self._key = key
        self._window_s = window_s

    def value(self, address: Address, now: float) -> bytes:
        """What the owner of an address is asked to give back."""
        return self._of_window(address, int(now // self._window_s))

    def is_fresh(self, value: bytes, address: Address, now: float) -> bool:
        """Whether it is of this address, this window or the one before."""
        window = int(now // self._window_s)
        return hmac.compare_digest(value, self._of_window(address, window)) or hmac.compare_digest(
            value, self._of_window(address, window - 1)
        )

    def _of_window(self, address: Address, window: int) -> bytes:
        return hmac.digest(self._key, f"{window} {address!r}".encode(), "sha256")[:SIZE]


class Challenged:
    """Which messages were challenged lately, in a table of fixed size.

    A copy of such a message may come when its address is proven already by the next one, the
    same request with Echo. Without a memory of it the request would be done twice, and a body
    in blocks would begin again. A flood overwrites the table and no more.
    """

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots = array("q", bytes(8 * _SLOTS))

    def add(self, address: Address, digest: int) -> None:
        """`digest` is of the whole datagram."""
        mark = hash((address, digest))
        self._slots[mark % _SLOTS] = mark

    def has(self, address: Address, digest: int) -> bool:
        """Whether this datagram of this address was challenged."""
        mark = hash((address, digest))
        return self._slots[mark % _SLOTS] == mark

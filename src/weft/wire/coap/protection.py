"""The seam for OSCORE (RFC 8613): where a message is opened before the endpoint reads it.

The endpoint calls `unprotect` behind the deduplication, so that a copy never meets the replay
window, and `protect` on each answer and notification to a request that was opened.
"""

from typing import Protocol

from weft.wire.coap.message import Message
from weft.wire.coap.peers import Address


class Protection(Protocol):
    """What opens and closes messages."""

    def unprotect(self, message: Message, address: Address, now: float) -> Message:
        """The inner request; the message itself if it is not protected.

        Raises `RequestError` for one that cannot be opened (RFC 8613 8.2).
        """

    def protect(self, request: Message, response: Message) -> Message:
        """The outer response; itself if the request (as `unprotect` gave it) was not protected."""

"""Receivers: one HTTP end that takes events, as it is asked and as it is told.

Before the first delivery the receiver is asked whether we are welcome (CloudEvents HTTP 1.1
Web Hooks, 4): a forgotten or foreign address is never flooded. Its answers decide what
becomes of an event: taken, tried again, given up, or the subscription is at rest.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from weft.connectors.base import Requests
from weft.connectors.events.encoding import Encoded
from weft.connectors.webhook import SIGNATURE, sign
from weft.errors import ConnectorError
from weft.model.moments import NS_PER_S
from weft.ports import Clock
from weft.security.outbound import Answer

REQUEST_ORIGIN = "WebHook-Request-Origin"
ALLOWED_ORIGIN = "webhook-allowed-origin"
ALLOWED_RATE = "webhook-allowed-rate"  # requests a minute
_AGAIN = frozenset({401, 403, 404, 408, 425, 429})


class End(StrEnum):
    """What became of a request."""

    TAKEN = "taken"
    AGAIN = "again"
    REFUSED = "refused"  # this event, for good
    GONE = "gone"  # no event is wanted any more


class Verdict(Struct, frozen=True):
    """An end, and why."""

    end: End
    error: str = ""
    retry_after_s: float | None = None


class Welcome(Struct, frozen=True):
    """What the receiver has said to our question."""

    interval_s: float = 0.0  # between requests


class Receiver:
    """Asks and tells one address."""

    def __init__(self, outbound: Requests, url: str, origin: str, timeout_s: float) -> None:
        self._outbound = outbound
        self._url = url
        self._origin = origin
        self._timeout_s = timeout_s

    async def ask(self) -> Welcome:
        """Ask whether we are welcome, or raise `ConnectorError` where that is not said."""
        answer = await self._outbound.request(
            "OPTIONS",
            self._url,
            headers={REQUEST_ORIGIN: self._origin},
            timeout_s=self._timeout_s,
        )
        answer.require_success("Asking the receiver")
        allowed = answer.headers.get(ALLOWED_ORIGIN, "").strip()
        if allowed not in ("*", self._origin):
            raise ConnectorError(
                f"The receiver does not allow events from {self._origin!r}.",
                remedy="Let it answer OPTIONS with WebHook-Allowed-Origin: * or that name.",
            )
        return Welcome(_interval_s(answer.headers.get(ALLOWED_RATE, "")))

    async def tell(self, encoded: Encoded, secrets: Sequence[str], clock: Clock) -> Verdict:
        """Send a signed request; say what became of it. Raises nothing of the far side's."""
        signature = sign(secrets, encoded.signed, clock.now() // NS_PER_S)
        try:
            answer = await self._outbound.request(
                "POST",
                self._url,
                headers={**encoded.headers, SIGNATURE: signature, REQUEST_ORIGIN: self._origin},
                body=encoded.body,
                timeout_s=self._timeout_s,
            )
        except ConnectorError as error:
            # Permanent here is the address itself: refused by us, or moved. It concerns all events.
            end = End.GONE if error.permanent else End.AGAIN
            return Verdict(end, f"{error.detail} {error.remedy}".strip(), error.retry_after_s)
        return verdict_of(answer)


def verdict_of(answer: Answer) -> Verdict:
    """Read a status: 2xx takes it, 410 wants none any more, other 4xx refuse this one."""
    if 200 <= answer.status < 300:
        return Verdict(End.TAKEN)
    if answer.status == 410:
        return Verdict(End.GONE, "The receiver answered 410: it wants no more events.")
    said = f"The receiver answered {answer.status}."
    if answer.status in _AGAIN or answer.status >= 500:
        try:
            answer.require_success("Deliver")
        except ConnectorError as error:
            return Verdict(End.AGAIN, said, error.retry_after_s)
    return Verdict(End.REFUSED, said)


def _interval_s(rate: str) -> float:
    """Read WebHook-Allowed-Rate: `*`, or requests a minute; what cannot be read sets none."""
    text = rate.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) == 0:
        return 0.0
    return 60.0 / int(text)

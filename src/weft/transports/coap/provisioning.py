"""Provisioning over CoAP: an identity for who has none yet, and nothing else (PR-1).

    POST /api/v1/provision

Over DTLS the handshake with a claim's key is the proof; in the clear, on the loopback
interface, the claim stands in the query (`?token=`). Then the words are those of HTTP, in JSON
or CBOR. Without either they are ThingsBoard's, with the claim in the payload. Each request
counts for the address that it comes from.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

import msgspec

from weft.errors import Invalid, RateLimited, TooLarge, WeftError
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.registry.provision_documents import ProvisionRequest, view_of
from weft.security.attempts import address_of
from weft.security.authentication import NOBODY
from weft.security.limits import Limiter, LimitKind
from weft.transports.coap.answers import UnsupportedFormat, content, fault, problem_of
from weft.transports.coap.paths import MethodNotAllowed
from weft.transports.coap.sessions import TOKEN, visit_of
from weft.transports.coap.settings import Identities, Provisions
from weft.wire.coap.codes import Code
from weft.wire.coap.formats import ContentFormat
from weft.wire.coap.requests import Request
from weft.wire.coap.responses import Response
from weft.wire.payload import cbor

log = get_logger(__name__)

PROVISION: Final = ("api", "v1", "provision")
PAYLOAD_MAX_BYTES: Final = 32 * 1024  # a signing request of 16 KiB and what is said beside it

Respond = Callable[[Request, Response], None]
Work = Coroutine[Any, Any, None]


def charge_visitor(limiter: Limiter, peer: str) -> None:
    """Count a request of who has no identity; raise `RateLimited` for one too many."""
    visitor = Principal(NOBODY, PrincipalKind.DEVICE, "provision", f"at:{address_of(peer)}")
    wait_s = limiter.take(NOBODY, visitor, LimitKind.REQUESTS)
    if wait_s > 0:
        raise RateLimited("Too many requests.", retry_after_s=wait_s)


class Provisioning:
    """Gives those an identity that have none yet."""

    def __init__(
        self,
        theirs: Provisions,
        ours: Identities,
        limiter: Limiter,
        start: Callable[[Work], None],
    ) -> None:
        """`theirs` answers in ThingsBoard's words, `ours` in our own; `start` runs a task."""
        self._theirs = theirs
        self._ours = ours
        self._limiter = limiter
        self._start = start

    def take(self, request: Request, peer: str, respond: Respond) -> None:
        """Answer a request when its answer is there; raise what it is refused for at once."""
        charge_visitor(self._limiter, peer)
        if request.code != Code.POST:
            raise MethodNotAllowed("The method does not work here.", remedy="Use POST.")
        token = next((part[len(TOKEN) :] for part in request.query if part.startswith(TOKEN)), None)
        visit = visit_of(request.address)
        if visit is not None and token is not None:
            raise Invalid("The claim, DTLS has proven.", remedy="Leave the token out.")
        if visit is None and token is None:
            work = self._answer_theirs(request, peer)
        else:
            content({}, request.accept)  # raised here, before a device is made in vain
            work = self._answer_ours(request, peer, token or "")
        self._start(self._answer(request, work, respond))

    async def _answer(
        self, request: Request, work: Coroutine[Any, Any, Response], respond: Respond
    ) -> None:
        try:
            response = await work
        except WeftError as error:
            response = problem_of(error)
        except Exception:  # a bug of ours is answered, and ends nothing else
            log.exception("coap_request_broke", api="provisioning")
            response = fault()
        respond(request, response)

    async def _answer_theirs(self, request: Request, peer: str) -> Response:
        answered = await self._theirs.provision(request.payload, peer)
        code = Code.CREATED if answered.has_identity else Code.BAD_REQUEST  # as over there
        return Response(code, answered.document, cast("int", ContentFormat.JSON))

    async def _answer_ours(self, request: Request, peer: str, token: str) -> Response:
        wanted = read_request(request.payload, request.content_format)
        visit = visit_of(request.address)
        if visit is not None:
            made = await self._ours.provision_visitor(visit, wanted, peer)
        else:
            made = await self._ours.provision(token, wanted, peer)
        shown = msgspec.structs.asdict(view_of(made))
        said = {name: value for name, value in shown.items() if value is not None}
        response = content(said, request.accept)
        return Response(Code.CREATED, response.payload, response.content_format)


def read_request(payload: bytes, number: int | None) -> ProvisionRequest:
    """Read what a device says, in the Content-Format of a number; JSON where it names none.

    Raises `TooLarge`, `Invalid` with the place of what is wrong, or `UnsupportedFormat`.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise TooLarge(f"A request has at most {PAYLOAD_MAX_BYTES} bytes.")
    try:
        if number in (None, ContentFormat.JSON):
            return msgspec.json.decode(payload, type=ProvisionRequest)
        if number == ContentFormat.CBOR:
            return msgspec.convert(cbor.decode(payload), ProvisionRequest)
    except msgspec.MsgspecError as error:
        raise Invalid(
            f"The request cannot be read: {error}.",
            remedy='Send what the device is as {"serial": "0042", "want": "psk"}.',
        ) from None
    raise UnsupportedFormat(
        f"Content-Format {number} is not read here.", remedy="Send 50 (JSON) or 60 (CBOR)."
    )


__all__ = ["PROVISION", "Provisioning", "charge_visitor", "read_request"]

"""ThingsBoard's device API over HTTP, for devices that were programmed for it.

    /api/v1/{token}/telemetry, attributes, attributes/updates, rpc, rpc/{id}, claim
    /api/v1/provision, where no Authorization header says that the API's own is meant

The token is the device's secret, and stands in the path because those devices send it
there. It is proven by the same authenticator as any other, counts against the same limits,
and is kept out of every log line and error. A path whose second part is no secret of ours
goes on to the API.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from msgspec import Struct

from weft.api.application import Request, log_fault, nobody_at
from weft.api.bodies import ClientGone, read_body
from weft.api.idempotency import Answer
from weft.api.links import POLL, Watch
from weft.api.operation import Call, Receive
from weft.api.operations.telemetry import note_heard
from weft.api.problems import Malformed, MethodNotAllowed
from weft.api.responses import Send, problem_answer, send_answer
from weft.api.services import Services
from weft.api.settings import ApiSettings
from weft.errors import Forbidden, RateLimited
from weft.ingest.dialects.thingsboard.provision import Provisioner
from weft.ingest.dialects.thingsboard.requests import Asking, Requests, Waiter
from weft.model.principal import Principal, PrincipalKind
from weft.security.audit import ORIGIN, Origin
from weft.security.authentication import Proof
from weft.security.limits import LimitKind
from weft.security.machine_secrets import parse_secret

PREFIX: Final = "/api/v1/"
PROVISION: Final = b"/api/v1/provision"
PATH_MAX: Final = 512
JSON: Final = (b"content-type", b"application/json")
NOTHING_CAME: Final = Answer(408, (), b"")
METHODS: Final = {"GET": "GET", "HEAD": "GET", "POST": "POST"}

Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Wanted(Struct, frozen=True):
    """A path of the device API, taken apart."""

    token: str
    rest: Sequence[str]


def is_provision_of_theirs(scope: MutableMapping[str, Any]) -> bool:
    """Tell a request to be provisioned in their words from one in ours, at the same path.

    Theirs has key and secret in its body; ours comes with the claim as a bearer token.
    """
    named = any(name == b"authorization" for name, _ in scope["headers"])
    return scope["raw_path"] == PROVISION and not named


class _Linked(Waiter):
    """A request that waits on a link, and is over when the link is."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch.changed)
        self._watch = watch

    @property
    def is_over(self) -> bool:
        """Whether it is to wait no longer."""
        return super().is_over or self._watch.ended.is_set()


class ThingsBoardHttp:
    """The device API's paths, in front of the application that answers everything else."""

    def __init__(
        self,
        services: Services,
        application: Application,
        settings: ApiSettings,
        requests: Requests,
    ) -> None:
        self._services = services
        self._application = application
        self._settings = settings
        self._requests = requests
        self._provisioner = Provisioner(services.provisioning)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request of the device API, or let the application answer (ASGI 3)."""
        is_provision = scope["type"] == "http" and is_provision_of_theirs(scope)
        wanted = None if is_provision or scope["type"] != "http" else parse(scope["raw_path"])
        if wanted is None and not is_provision:
            await self._application(scope, receive, send)
            return
        request = Request(scope, receive)
        ORIGIN.set(Origin(request.presented.address, request.request_id))
        try:
            if wanted is None:
                answer = await self._provision(request)
            else:
                answer = await self._answer(request, wanted, scope["query_string"])
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the boundary: rendered, and logged where it is ours
            answer = problem_answer(error, request.request_id)
            log_fault(request, error, answer.status)
        await send_answer(send, answer, request.head)

    async def _answer(self, request: Request, wanted: Wanted, query_string: bytes) -> Answer:
        address = request.presented.address
        proof = self._services.authenticator.prove_bearer(wanted.token, address)
        principal = proof.principal
        self._charge(principal, LimitKind.REQUESTS, 1)
        if principal.kind is not PrincipalKind.DEVICE:
            raise Forbidden(
                f"{principal} is no device.", remedy="Use a device's secret as the token."
            )
        asking = Asking(principal, address)
        method = METHODS.get(request.method)
        if method == "POST":
            return await self._post(request, asking, wanted.rest)
        if method == "GET":
            return await self._get(request, asking, wanted.rest, proof, query_string)
        raise MethodNotAllowed(f"{request.method} does not work here.", allowed="GET, POST")

    async def _post(self, request: Request, asking: Asking, rest: Sequence[str]) -> Answer:
        body = await self._read(request)
        self._charge(asking.principal, LimitKind.MESSAGES, 1)
        self._charge(asking.principal, LimitKind.BYTES, len(body))
        said = await self._requests.post(asking, rest, body)
        note_heard(self._services, asking.principal, asking.address)
        return Answer(200, (), b"") if said is None else Answer(200, (JSON,), said)

    async def _get(
        self,
        request: Request,
        asking: Asking,
        rest: Sequence[str],
        proof: Proof,
        query_string: bytes,
    ) -> Answer:
        query = query_of(query_string)
        if rest == ["attributes"]:
            said = await self._requests.get(asking, rest, query, Waiter())
        else:
            said = await self._wait(request, asking, rest, proof, query)
        if request.method == "HEAD":
            return Answer(200, (JSON,), b"")
        return NOTHING_CAME if said is None else Answer(200, (JSON,), said)

    async def _wait(
        self,
        request: Request,
        asking: Asking,
        rest: Sequence[str],
        proof: Proof,
        query: dict[str, str],
    ) -> bytes | None:
        """Answer a request that may wait: a link as any other, and cut with its right (RV-1)."""
        links = self._services.links
        call = Call(
            principal=asking.principal,
            address=asking.address,
            request_id=request.request_id,
            path={},
            credential_id=proof.credential_id,
            expires_at=proof.expires_at,
        )
        watch = links.open(call, asking.key[1], POLL)
        try:
            said = await self._requests.get(asking, rest, query, _Linked(watch))
        finally:
            links.leave(watch)
        watch.require_open()
        return said

    async def _provision(self, request: Request) -> Answer:
        address = request.presented.address
        self._charge(nobody_at(address).principal, LimitKind.REQUESTS, 1)
        if request.method != "POST":
            raise MethodNotAllowed(f"{request.method} does not work here.", allowed="POST")
        body = await self._read(request)
        return Answer(200, (JSON,), await self._provisioner.answer(body, address))

    async def _read(self, request: Request) -> bytes:
        settings = self._settings
        return await read_body(
            request.receive,
            request.headers.get(b"content-length"),
            settings.max_body_bytes,
            settings.body_timeout_s,
        )

    def _charge(self, principal: Principal, kind: LimitKind, amount: int) -> None:
        wait_s = self._services.limiter.take(principal.tenant, principal, kind, amount)
        if wait_s > 0:
            raise RateLimited(f"Too many {kind}.", retry_after_s=wait_s)


def has_credential(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request carries its claim as the API wants it, and not as ThingsBoard does."""
    return any(name == b"authorization" for name, _ in scope["headers"])


def parse(raw_path: bytes) -> Wanted | None:
    """Take a path apart; None for one that holds no secret of ours where the token stands."""
    if len(raw_path) > PATH_MAX or not raw_path.isascii():
        return None
    path = raw_path.decode()
    if not path.startswith(PREFIX):
        return None
    token, *rest = path[len(PREFIX) :].split("/")
    return Wanted(token, rest) if rest and parse_secret(token) is not None else None


def query_of(query_string: bytes) -> dict[str, str]:
    """Read a query; what the device API does not know is left to whoever sends it."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64
        )
    except ValueError as error:
        raise Malformed("The query cannot be read.", remedy="Percent-encode it.") from error
    return dict(pairs)

"""The application: one way for every request, from bytes to an answer.

Find the operation, learn who calls, limit, decide, decode, act, answer; in this order and
here only (promise 3). Who is not known learns nothing, not even which paths exist. Each
error becomes a problem with a status from one table; a fault of ours is logged with the
request's id and answered with that id alone.
"""

import os
import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from weft.api import metrics
from weft.api.authentication import Presented, bearer_of, identify
from weft.api.bodies import (
    ClientGone,
    choose_media_type,
    decode_body,
    decode_query,
    media_type_of,
    read_body,
    require_media_type,
    version_of,
)
from weft.api.browser import find_visit
from weft.api.idempotency import Answer, Idempotency
from weft.api.operation import PUBLIC, SIGNED_IN, Call, Operation, Receive, Reply, require_sound
from weft.api.problems import MethodNotAllowed
from weft.api.responses import (
    Headers,
    Send,
    answer_of,
    head_of,
    problem_answer,
    send_answer,
    send_stream,
)
from weft.api.router import Router, methods_of
from weft.api.services import Services
from weft.api.settings import ApiSettings
from weft.errors import NotFound, PeerError, RateLimited, WeftError
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.security.actions import ACTIONS
from weft.security.audit import ORIGIN, Origin
from weft.security.authentication import Proof
from weft.security.limits import LimitKind
from weft.security.policy import require

log = get_logger(__name__)


def nobody_at(address: str) -> Proof:
    """Return the caller of a public operation: known by address, and allowed nothing."""
    return Proof(Principal(TenantId(""), PrincipalKind.DEVICE, "nobody", f"at:{address}"), "")


class Request:
    """One request on its way: what ASGI gave, and what was learned of it so far."""

    __slots__ = (
        "abort",
        "head",
        "headers",
        "method",
        "operation",
        "presented",
        "receive",
        "request_id",
    )

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        self.receive = receive
        self.method: str = scope["method"]
        self.request_id = os.urandom(8).hex()
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        tls = scope["scheme"] == "https"
        self.abort: Callable[[], None] | None = scope.get("abort")
        self.presented = Presented(
            token=bearer_of(self.headers.get(b"authorization")),
            certificate=scope.get("client_certificate"),
            address=client[0] if client else "",
            visit=find_visit(self.method, self.headers),
        )
        self.head: Headers = head_of(self.request_id, tls=tls)
        self.operation: Operation | None = None


class Application:
    """The ASGI application that answers for a table of operations."""

    def __init__(
        self, services: Services, operations: Sequence[Operation], settings: ApiSettings
    ) -> None:
        require_sound(operations, ACTIONS)
        self._services = services
        self._settings = settings
        self._router = Router(operations)
        self._idempotency = Idempotency(
            services.records, services.clock, hours=settings.idempotency_hours
        )

    @property
    def idempotency(self) -> Idempotency:
        """The answers kept for repeats; the frame sweeps them."""
        return self._idempotency

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request = Request(scope, receive)
        ORIGIN.set(Origin(request.presented.address, request.request_id))
        try:
            answer = await self._answer(request, scope)
            if isinstance(answer, Reply):
                await send_stream(answer, request.head, receive, send, request.abort)
                return
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the boundary: rendered, and logged where it is ours
            answer = problem_answer(error, request.request_id)
            log_fault(request, error, answer.status)
        await send_answer(send, answer, request.head)
        _measure(request, answer.status, time.perf_counter() - started)

    async def _answer(self, request: Request, scope: MutableMapping[str, Any]) -> Answer | Reply:
        found = self._router.find(scope["raw_path"])
        method = "GET" if request.method == "HEAD" else request.method
        operation = found[0].get(method) if found is not None else None
        request.operation = operation
        if operation is None or operation.action != PUBLIC:
            proof = await self._identify(request)
        else:
            proof = nobody_at(request.presented.address)
            self._require_rate(proof.principal)
        if found is None:
            raise NotFound(
                "There is nothing at this path.", remedy="The paths are in /api/v1/openapi.json."
            )
        if operation is None:
            allowed = methods_of(found[0])
            if method == "OPTIONS":
                return Answer(204, ((b"allow", allowed.encode()),), b"")
            raise MethodNotAllowed(f"{request.method} does not work here.", allowed=allowed)
        call = self._call(request, operation, proof, found[1], scope["query_string"])
        return await self._act(request, operation, call)

    async def _identify(self, request: Request) -> Proof:
        services = self._services
        proof = await identify(
            services.authenticator, services.operator, services.sessions, request.presented
        )
        self._require_rate(proof.principal)
        return proof

    def _require_rate(self, principal: Principal) -> None:
        limiter = self._services.limiter
        wait = limiter.take(principal.tenant, principal, LimitKind.REQUESTS)
        if wait > 0:
            raise RateLimited("Too many requests.", retry_after_s=wait)

    def _call(
        self,
        request: Request,
        operation: Operation,
        proof: Proof,
        values: list[str],
        query_string: bytes,
    ) -> Call:
        principal = proof.principal
        path = dict(zip(operation.parameters, values, strict=True))
        if path.get("device_id") == "me" and principal.kind is PrincipalKind.DEVICE:
            path["device_id"] = principal.id
        if operation.action not in (PUBLIC, SIGNED_IN):
            require(self._services.policy, principal, operation.action, operation.target_of(path))
        headers = request.headers
        return Call(
            principal=principal,
            address=request.presented.address,
            request_id=request.request_id,
            path=path,
            query=decode_query(operation, query_string),
            if_match=version_of(headers, operation.if_match) if operation.if_match else None,
            accept=choose_media_type(operation, headers.get(b"accept")),
            headers=headers,
            expires_at=proof.expires_at,
            credential_id=proof.credential_id,
        )

    async def _act(self, request: Request, operation: Operation, call: Call) -> Answer | Reply:
        raw = b""
        if operation.streams:
            call.content_type = media_type_of(request.headers)
            require_media_type(operation, call.content_type)
            call.receive = request.receive
        elif operation.body is not None:
            raw = await self._read(request, operation)
            call.content_type = media_type_of(request.headers)
            call.body = decode_body(operation, raw, call.content_type, self._settings.max_depth)
        if operation.takes_key and b"idempotency-key" in request.headers:
            return await self._act_once(operation, call, raw)
        result = await operation.handler(self._services, call)
        if type(result) is Reply and result.stream is not None:
            return result
        return answer_of(operation, call, result)

    async def _read(self, request: Request, operation: Operation) -> bytes:
        return await read_body(
            request.receive,
            request.headers.get(b"content-length"),
            max(operation.body_max_bytes, self._settings.max_body_bytes),
            self._settings.body_timeout_s,
        )

    async def _act_once(self, operation: Operation, call: Call, raw: bytes) -> Answer:
        before = await self._idempotency.reserve(call, operation, raw)
        if before is not None:
            return Answer(
                before.status, (*before.headers, (b"idempotent-replay", b"true")), before.content
            )
        try:
            result = await operation.handler(self._services, call)
        except WeftError:
            await self._idempotency.release(call, operation)
            raise
        answer = answer_of(operation, call, result)
        await self._idempotency.keep(call, operation, answer)
        return answer


def _measure(request: Request, status: int, seconds: float) -> None:
    name = request.operation.name if request.operation is not None else "none"
    metrics.REQUESTS.labels(name, str(status)).inc()
    metrics.SECONDS.observe(seconds)


def log_fault(request: Request, error: Exception, status: int) -> None:
    """Log an error where it is ours; the peer's are for those who debug."""
    name = request.operation.name if request.operation is not None else "none"
    if isinstance(error, PeerError):
        log.debug("request_refused", operation=name, status=status, code=error.code)
    elif isinstance(error, WeftError):
        log.error(
            "request_failed",
            operation=name,
            request_id=request.request_id,
            code=error.code,
            detail=error.detail,
        )
    else:
        log.error("request_fault", operation=name, request_id=request.request_id, exc_info=error)

"""The CoAP listener: one datagram socket, its peers, and an end in order.

In the clear it answers on the loopback interface only, and each request carries a token;
on every other address DTLS stands before it and has proven the peer.
"""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn, Protocol, cast

from weft.errors import ConfigurationError, Forbidden, Invalid, Unauthenticated
from weft.model.command import Command
from weft.model.ids import DeviceId, TenantId
from weft.observability.log import get_logger
from weft.security import reasons
from weft.security.attempts import address_of
from weft.security.authentication import REFUSED, Proof
from weft.security.claim_keys import Visit
from weft.security.connections import Connection
from weft.security.throttle import network_of
from weft.transports.addresses import require_loopback, split_address
from weft.transports.coap import metrics
from weft.transports.coap.provisioning import charge_visitor
from weft.transports.coap.service import CoapService
from weft.transports.coap.sessions import (
    TOKEN,
    CoapSession,
    TokenSessions,
    open_session,
    peer_of,
    token_in,
)
from weft.transports.coap.settings import Given
from weft.transports.coap.thingsboard import Work
from weft.transports.coap.visits import Visits
from weft.wire.coap.requests import Request
from weft.wire.coap.server import ServerEndpoint

log = get_logger(__name__)

TICK_S = 0.05  # repetitions and delayed acknowledgements need no finer time
CHECK_S = 0.25
DRAIN_S = 1.0


class SecurePeer(Protocol):
    """A peer behind DTLS."""

    peer: str
    proof: Proof | None
    visit: Visit | None
    registered: Connection | None
    state: object
    received: int
    sent: int

    def send(self, message: bytes) -> None:
        """Encrypt and send."""
        ...

    def __hash__(self) -> int: ...

    def say_goodbye(self) -> None:
        """Tell it that the session ends."""
        ...


class Door(Protocol):
    """DTLS before the listener."""

    @property
    def fault(self) -> str:
        """Why pre-shared keys are off, if they are."""
        ...

    def send_with(self, send: Callable[[bytes, Any], None]) -> None:
        """Have datagrams sent by `send`."""
        ...

    def receive(self, datagram: bytes, address: Any) -> None:
        """Take a datagram."""
        ...

    def end(self, association: Any) -> None:
        """Forget a session."""
        ...

    def check(self) -> None:
        """Do what is due."""
        ...

    async def renew(self) -> None:
        """See certificates that were renewed."""
        ...

    def close(self) -> None:
        """End all."""
        ...

    def __len__(self) -> int: ...


MakeDoor = Callable[["CoapListener"], Door]


class CoapListener(asyncio.DatagramProtocol):
    """Serves CoAP on one address."""

    def __init__(self, given: Given, listen: str, secure: MakeDoor | None = None) -> None:
        """`secure` makes DTLS for every address but loopback."""
        if secure is None:
            require_loopback(listen, "transports.coap", "listen_dtls")
        self._given = given
        self._host, self._port = split_address(listen)
        self.port = 0
        self._name = "coap" if secure is None else "coaps"
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._loop: asyncio.AbstractEventLoop
        self._transport: asyncio.DatagramTransport
        self._tasks: asyncio.TaskGroup
        endpoint = ServerEndpoint(
            given.settings.limits,
            secret=os.urandom(32),
            random=random.SystemRandom().random,
            network_of=None if secure is None else _network_of,  # in the clear, all are at home
        )
        identify = self._by_token if secure is None else self._by_association
        self._service = CoapService(given, endpoint, identify, self._now, self._start)
        self._tokens = TokenSessions(given, self._service.end)
        self._door = None if secure is None else secure(self)
        self._visits = Visits(self._now, self._end)

    @property
    def is_secure(self) -> bool:
        """Whether DTLS stands before it."""
        return self._door is not None

    @property
    def fault(self) -> str:
        """What of it does not work, if anything."""
        return "" if self._door is None else self._door.fault

    @property
    def address(self) -> str:
        """Where it answers, as host:port."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.port or self._port}"

    def __len__(self) -> int:
        return len(self._tokens) if self._door is None else len(self._door)

    def _now(self) -> float:
        return self._loop.time()

    # --- serving ---

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve inside the context; at its end peers are told and sockets closed."""
        self._loop = asyncio.get_running_loop()
        await self._listen()
        async with asyncio.TaskGroup() as self._tasks:
            checks = self._tasks.create_task(self._check_all())
            try:
                yield
            finally:
                checks.cancel()
                await self._drain()
                self._close()

    async def _drain(self) -> None:
        """Let answers leave of what the last commits keep, for a moment."""
        for _ in range(round(DRAIN_S / TICK_S)):
            if not self._service.endpoint.counts["pending"]:
                return
            await asyncio.sleep(TICK_S)

    def _start(self, work: Work) -> None:
        self._tasks.create_task(self._guarded(work))

    async def _guarded(self, work: Work) -> None:
        try:
            await work
        except Exception:  # a bug of ours ends the request that met it, not the listener
            log.exception("coap_work_broke", listener=self._name)

    async def _listen(self) -> None:
        try:
            self._transport, _ = await self._loop.create_datagram_endpoint(
                lambda: self, local_addr=(self._host, self._port)
            )
        except OSError as error:
            setting = "listen_dtls" if self.is_secure else "listen"
            raise ConfigurationError(
                f"CoAP cannot listen on {self._host}:{self._port}: {error.strerror or error}.",
                remedy="Stop what uses this address, or choose another one, as with "
                f"--set transports.coap.{setting}=127.0.0.1:5685.",
            ) from error
        bound = cast("socket.socket", self._transport.get_extra_info("socket"))
        size = self._given.settings.receive_buffer_bytes
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.port = bound.getsockname()[1]
        if self._door is None:
            self._service.send_with(self._transport.sendto)
        else:
            self._door.send_with(self._transport.sendto)
            self._service.send_with(_send_secure)

    def _close(self) -> None:
        self._service.close()
        if self._timer is not None:
            self._timer.cancel()
        self._tokens.close()
        if self._door is not None:
            self._door.close()
        self._transport.close()

    async def _check_all(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            await self._guarded(self._check())

    async def _check(self) -> None:
        if self._door is None:
            self._tokens.check(self._now())
        else:
            self._door.check()
            self._visits.check(self._given.authenticator.claims.why_closed)
            await self._door.renew()
        self._measure()

    def _measure(self) -> None:
        endpoint = self._service.endpoint
        metrics.SESSIONS.labels(self._name).set(len(self))
        metrics.REFUSED.labels(self._name).set(endpoint.refused)
        metrics.HELD.labels(self._name, "bytes").set(endpoint.held_bytes)
        for kind, count in endpoint.counts.items():
            metrics.HELD.labels(self._name, kind).set(count)

    # --- the socket ---

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Take a datagram; a bug of ours ends it and nothing else."""
        try:
            if self._door is None:
                self._service.receive(data, addr)
            else:
                self._door.receive(data, addr)
        except Exception:  # the datagram is lost; its sender repeats it or does not
            log.exception("coap_datagram_broke", listener=self._name)
        self._arm()

    def error_received(self, exc: Exception) -> None:
        """The kernel could not deliver something: its peer is gone, which is no news."""
        log.debug("coap_not_delivered", listener=self._name, error=str(exc))

    def _arm(self) -> None:
        """See to it that `tick` is called in time."""
        due = self._service.endpoint.next_timeout()
        if due is None:
            return
        at = max(due, self._now() + TICK_S)
        if self._timer is not None:
            if at >= self._due - TICK_S:
                return
            self._timer.cancel()
        self._due = at
        self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        try:
            self._service.tick()
        except Exception:  # as above; what was due is tried again
            log.exception("coap_tick_broke", listener=self._name)
        self._arm()

    # --- who it is ---

    def _by_token(self, request: Request, token: str) -> CoapSession:
        peer = peer_of(request.address)
        return self._tokens.of(token or token_in(request.query), peer, self._now())

    def _by_association(self, request: Request, token: str) -> CoapSession:
        association = cast("SecurePeer", request.address)
        if association.visit is not None:
            self._refuse_visitor(association, association.visit)
        if any(part.startswith(TOKEN) for part in request.query):
            raise Invalid("Who it is, DTLS has proven.", remedy="Leave the token out.")
        session = cast("CoapSession", association.state)
        if token:  # in the path, because that is how the device was programmed
            proven = self._given.authenticator.by_bearer(token, association.peer)
            if proven != session.gate.principal:
                raise Unauthenticated(REFUSED, remedy="Leave the token out: DTLS says who it is.")
        return session

    def _refuse_visitor(self, association: SecurePeer, visit: Visit) -> NoReturn:
        """A claim's key opens provisioning and nothing else (PR-1)."""
        charge_visitor(self._given.limiter, association.peer)
        reason = reasons.NOT_TO_PROVISION
        self._given.authenticator.note_visit(visit, association.peer, reason)
        raise Forbidden(f"{reason.text.capitalize()}.", remedy=reason.remedy)

    def _end(self, association: SecurePeer) -> None:
        association.say_goodbye()
        cast("Door", self._door).end(association)

    # --- what DTLS says ---

    def opened(self, association: SecurePeer) -> None:
        """A peer has proven who it is."""

        if association.visit is not None:
            self._visits.open(association, association.visit)
            return

        def cut(_reason: str) -> None:
            self._end(association)

        proof = cast("Proof", association.proof)
        session = open_session(self._given, proof, "coaps", association.peer, cut)
        association.registered = session.connection
        association.state = session

    def received(self, association: SecurePeer, message: bytes) -> None:
        """A message came from it."""
        self._service.receive(message, association, is_proven=True)

    def ended(self, association: SecurePeer) -> None:
        """Its session is over."""
        if association.registered is not None:
            self._given.connections.unregister(association.registered)
        self._visits.leave(association)
        self._service.forget(association)

    # --- what others say ---

    def twin_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Somebody reported, or desires something else."""
        if self._service.watches:
            self._tell(lambda: self._service.twin_changed(tenant, device_id))

    def command_changed(self, command: Command) -> None:
        """A command was sent, or has ended."""
        if self._service.watches:
            self._tell(lambda: self._service.commands_changed(command.tenant, command.device_id))

    def _tell(self, notify: Callable[[], None]) -> None:
        try:
            notify()
        except Exception:  # whoever changed it is not to blame, and goes on
            log.exception("coap_notification_broke", listener=self._name)
        self._arm()


def _network_of(association: Any) -> str:
    return network_of(address_of(association.peer))


def _send_secure(message: bytes, association: SecurePeer) -> None:
    association.send(message)

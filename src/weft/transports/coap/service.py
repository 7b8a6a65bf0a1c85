"""The device API over CoAP: requests in, answers out, each message through the one door.

A message is answered 2.04 when the journal has it, in the acknowledgement itself when that
is soon. A refused one is in the rejection inbox and its sender is told why. What observers
are told is decided on again at every notification (CO-6).
"""

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any

from weft.errors import (
    Forbidden,
    NotFound,
    PayloadInvalid,
    RateLimited,
    StorageError,
    Unavailable,
    WeftError,
)
from weft.ingest.submit import Message
from weft.model.command import Command
from weft.model.ids import DeviceId, TenantId
from weft.model.message import PublishProperties
from weft.model.moments import to_rfc3339
from weft.model.principal import PrincipalKind
from weft.observability.log import get_logger
from weft.security.limits import LimitKind
from weft.transports.coap import metrics
from weft.transports.coap.answers import (
    CHANGED,
    BadOption,
    UnsupportedFormat,
    content,
    fault,
    problem_of,
    problem_of_reason,
)
from weft.transports.coap.paths import CORE_LINKS, Kind, Place, place_of, require_method
from weft.transports.coap.provisioning import PROVISION, Provisioning
from weft.transports.coap.sessions import TOKEN, CoapSession, peer_of
from weft.transports.coap.settings import Given
from weft.transports.coap.thingsboard import ThingsBoardCoap, Work, token_of
from weft.transports.coap.watches import Key, Watch, Watches
from weft.wire.coap.codes import Code, dotted
from weft.wire.coap.formats import ContentFormat
from weft.wire.coap.link_format import encode_links, select_links
from weft.wire.coap.observe import Observation
from weft.wire.coap.peers import Address
from weft.wire.coap.requests import Request
from weft.wire.coap.responses import Response
from weft.wire.coap.server import ServerEndpoint
from weft.wire.payload.formats import media_type_of_number

log = get_logger(__name__)

ME = "me"
NOTHING_OPEN = Response(Code.CONTENT)

Identify = Callable[[Request, str], CoapSession]
Send = Callable[[bytes, Any], None]


class CoapService:
    """One endpoint with the stations behind it; a `Sender` to the pipeline."""

    def __init__(
        self,
        given: Given,
        endpoint: ServerEndpoint,
        identify: Identify,
        now: Callable[[], float],
        start: Callable[[Work], None],
    ) -> None:
        """`identify` takes the token that stands in the path, if one does; `start` runs a task."""
        self._given = given
        self._identify = identify
        self._now = now
        self._send: Send = lambda _datagram, _address: None
        self._closed = False
        self._answered: Watch | None = None  # what began with a command as its answer
        self.endpoint = endpoint
        self.watches = Watches()
        self._theirs: ThingsBoardCoap | None = None
        if given.thingsboard is not None:
            self._theirs = ThingsBoardCoap(
                given.thingsboard, endpoint, self._observe, now, self.flush, start
            )
        self._provisioning: Provisioning | None = None
        if given.provisions is not None and given.identities is not None:
            self._provisioning = Provisioning(
                given.provisions, given.identities, given.limiter, start
            )

    def send_with(self, send: Send) -> None:
        """Have datagrams sent by `send`."""
        self._send = send

    # --- in and out ---

    def receive(self, datagram: bytes, address: Address, *, is_proven: bool = False) -> None:
        """Take a datagram; whatever there is to send leaves at once."""
        endpoint = self.endpoint
        request = endpoint.receive_datagram(datagram, address, self._now(), is_proven=is_proven)
        if request is not None:
            response = self._answer(request)
            if response is not None:
                self._respond(request, response)
        answered, self._answered = self._answered, None
        if answered is not None:
            self._confirmed(answered.observation)
        self.flush()

    def flush(self) -> None:
        """Send what is to be sent, and let go of registrations that have ended."""
        endpoint, send = self.endpoint, self._send
        for observation in endpoint.take_confirmed():
            self._confirmed(observation)
            if self._theirs is not None:
                self._theirs.confirmed(observation)
        for address, datagram in endpoint.take_output():
            send(datagram, address)
        for observation in endpoint.take_ended():
            self._given.shares.give(observation)
            self.watches.remove(observation)
            if self._theirs is not None:
                self._theirs.ended(observation)

    def tick(self) -> None:
        """Do what is due."""
        self.endpoint.tick(self._now())
        self.flush()

    def forget(self, address: Address) -> None:
        """Let go of a peer that is gone."""
        self.endpoint.forget(address)
        self.flush()

    def end(self, session: CoapSession, told: WeftError | None = None) -> None:
        """End what a session observes, and tell its observers why (RFC 7641 4.2)."""
        if not self._given.shares.observes(session):
            return
        response = problem_of(told or Unavailable("The session has ended."))
        for watch in self.watches.of_session(session):
            self.watches.remove(watch.observation)  # at once, though its last word may wait
            self.endpoint.notify(watch.observation, response, self._now(), confirm=True)
        if self._theirs is not None:
            self._theirs.end(session, response)
        self.flush()

    def close(self) -> None:
        """Answer nothing more: the socket is gone."""
        self._closed = True
        if self._theirs is not None:
            self._theirs.close()

    def _respond(self, request: Request, response: Response) -> None:
        metrics.REQUESTS.labels(dotted(response.code)).inc()
        self.endpoint.respond(request, response, self._now())

    def _respond_later(self, request: Request, response: Response) -> None:
        if not self._closed:
            self._respond(request, response)
            self.flush()

    # --- requests ---

    def _answer(self, request: Request) -> Response | None:
        """Return the answer, or None where it waits for the commit."""
        try:
            return self._act(request)
        except WeftError as error:
            return problem_of(error)
        except Exception:  # a bug of ours is answered, and ends nothing else
            log.exception("coap_request_broke", path="/".join(request.path))
            return fault()

    def _act(self, request: Request) -> Response | None:
        if self._provisioning is not None and request.path == PROVISION:
            self._provisioning.take(request, peer_of(request.address), self._respond_later)
            return None
        token = None if self._theirs is None else token_of(request.path)
        session = self._identify(request, token or "")
        if token is not None and self._theirs is not None:
            self._charge_theirs(request, session)
            self._theirs.take(request, session, self._respond_later)
            return None
        place = place_of(request.path)
        require_method(place, request.code)
        if request.code != Code.GET:
            self._publish(request, session, place.topic)
            return None
        self._charge_read(session)
        if place.kind is Kind.CORE:
            chosen = [part for part in request.query if not part.startswith(TOKEN)]
            links = encode_links(select_links(CORE_LINKS, chosen))
            return Response(Code.CONTENT, links, ContentFormat.LINK_FORMAT)
        return self._read(request, session, place)

    def _charge_theirs(self, request: Request, session: CoapSession) -> None:
        if request.code == Code.GET:
            self._charge_read(session)
        else:
            self._charge(session, len(request.payload))
            session.received += 1

    # --- messages ---

    def _publish(self, request: Request, session: CoapSession, topic: str) -> None:
        given = self._given
        if request.if_match or request.if_none_match:
            raise BadOption("Conditions do not work here.", remedy="Leave If-Match out.")
        if given.pipeline.full:
            raise Unavailable("The journal cannot keep up just now.", remedy="Send it again soon.")
        self._charge(session, len(request.payload))
        session.received += 1
        gate, now = given.gate, given.clock.now()
        message = Message(topic, request.payload)
        number = request.content_format
        gate.refresh(session.gate)
        if number is None or number == ContentFormat.JSON:
            reason = gate.admit(session.gate, message, now)
        else:
            try:
                properties = _properties_of(number)
            except PayloadInvalid as error:
                unread = UnsupportedFormat(error.detail, remedy=error.remedy)
                reason = gate.reject(session.gate, message, now, unread)
            else:
                reason = gate.admit(session.gate, message, now, properties)
        response = CHANGED if reason is None else problem_of_reason(reason)
        given.pipeline.acknowledge(self, (request, response))

    def _charge(self, session: CoapSession, size: int) -> None:
        dues = session.dues
        dues.messages += 1
        dues.bytes += size
        if dues.are_large:
            wait_s = dues.pay(session.gate.principal)
            if wait_s > 0:
                dues.messages -= 1
                dues.bytes -= size
                raise RateLimited(
                    f"{session.gate.principal}, or its tenant, sends more than it may.",
                    retry_after_s=wait_s,
                    remedy="Send more slowly, or several readings in one message.",
                )

    def committed(self, tokens: list[tuple[Request, Response]], _first: int) -> None:
        """What these stand for is on disk: say so."""
        if self._closed:
            return
        for request, response in tokens:
            self._respond(request, response)
        self.flush()

    def commit_failed(self, tokens: list[tuple[Request, Response]], error: StorageError) -> None:
        """Nothing was kept: have it sent again."""
        if self._closed:
            return
        response = problem_of(error)
        for request, _ in tokens:
            self._respond(request, response)
        self.flush()

    # --- reading and observing ---

    def _charge_read(self, session: CoapSession) -> None:
        principal = session.gate.principal
        wait_s = self._given.limiter.take(principal.tenant, principal, LimitKind.REQUESTS)
        if wait_s > 0:
            raise RateLimited("Too many requests.", retry_after_s=wait_s)

    def _read(self, request: Request, session: CoapSession, place: Place) -> Response:
        device_id = self._device_of(session, place.device)
        is_command = place.kind is Kind.COMMANDS
        speaks_for_it = is_command and self._speaks_for(session, device_id)
        observes = request.observe == 0 and (place.kind is Kind.DESIRED or speaks_for_it)
        key = (session.gate.principal.tenant, device_id)
        command = self._next_of(key, frozenset() if observes else None) if is_command else None
        response = self._content(session, place.kind, device_id, request.accept, command)
        if observes:
            observation = self._observe(request, session)
            if observation is not None:
                watch = Watch(observation, session, place.kind, device_id)
                watch.last = response.payload
                self.watches.add(watch)
                if command is not None:  # in this answer: the next one follows behind it
                    watch.offer(command.request_id)
                    self._answered = watch
                return response
        if command is not None and speaks_for_it:
            principal = session.gate.principal
            self._given.commands.handed_out(principal, device_id, command.request_id)
        return response

    def _observe(self, request: Request, session: CoapSession) -> Observation | None:
        """Register whoever asked; None if there are too many, of its peer or its principal."""
        observation = self.endpoint.observe(request, self._now())
        if observation is not None and not self._given.shares.take(observation, session):
            self.endpoint.cancel(observation)
            return None
        return observation

    def _speaks_for(self, session: CoapSession, device_id: DeviceId) -> bool:
        """Whether it is the device itself or its gateway: nobody else has a command delivered."""
        principal = session.gate.principal
        device = self._given.devices.find(principal.tenant, device_id)
        own = principal.kind is PrincipalKind.DEVICE
        return own and device is not None and principal.uid in {device.uid, device.gateway}

    def _device_of(self, session: CoapSession, written: str) -> DeviceId:
        principal = session.gate.principal
        if written != ME:
            device_id = DeviceId(written)
        elif principal.kind is PrincipalKind.DEVICE:
            device_id = DeviceId(principal.id)
        else:
            raise Forbidden(
                f"{principal} is no device, so 'me' names nothing.",
                remedy="Write the device's id.",
            )
        if self._given.devices.find(principal.tenant, device_id) is None:
            raise NotFound(f"There is no device {device_id!r}.")
        return device_id

    def _content(
        self,
        session: CoapSession,
        kind: Kind,
        device_id: DeviceId,
        accept: int | None,
        command: Command | None,
    ) -> Response:
        """Return what a resource holds now, decided on now (AZ-4)."""
        principal = session.gate.principal
        action = "command.read" if kind is Kind.COMMANDS else "twin.read"
        decision = self._given.policy.decide(principal, action, f"device:{device_id}")
        if not decision.allowed:
            raise Forbidden(f"{principal} may not read {device_id!r}: {decision.reason}")
        if kind is Kind.COMMANDS:
            return NOTHING_OPEN if command is None else content(_shown(command), accept)
        twin = self._given.twins.get(principal.tenant, device_id)
        if kind is Kind.REPORTED:
            return content(twin.reported, accept)
        return content({"version": twin.desired_version, "properties": twin.delta()}, accept)

    def _next_of(self, key: Key, given: Collection[str] | None) -> Command | None:
        """Return the oldest command that is due; for an observer, that it was not `given` yet.

        So each registration begins with all that is open: what was notified to the one before
        may have been lost with the device's memory.
        """
        commands = self._given.commands
        if given is None:
            return next(iter(commands.due_for(*key)), None)
        found = (one for one in commands.open_for(*key) if one.request_id not in given)
        return next(found, None)

    # --- notifications ---

    def twin_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Tell those who observe a device's desired properties, if these are others now."""
        for watch in self.watches.of(tenant, device_id, Kind.DESIRED):
            response = self._notification(watch, None)
            if response.payload != watch.last:
                watch.last = response.payload
                self._notify(watch, response, confirm=False)
        self.flush()

    def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Offer the next command to those who observe a device's."""
        for watch in self.watches.of(tenant, device_id, Kind.COMMANDS):
            self._offer(watch)
        self.flush()

    def _notification(self, watch: Watch, command: Command | None) -> Response:
        try:
            return self._content(watch.session, watch.kind, watch.device_id, watch.accept, command)
        except WeftError as error:
            return problem_of(error)

    def _notify(self, watch: Watch, response: Response, *, confirm: bool) -> None:
        watch.session.sent += 1
        self.endpoint.notify(watch.observation, response, self._now(), confirm=confirm)

    def _offer(self, watch: Watch) -> None:
        """Send the next command, unless one is on its way: each is acknowledged by itself."""
        if watch.offered or watch.observation.is_ended:
            return
        watch.keep_given(one.request_id for one in self._given.commands.open_for(*watch.key))
        command = self._next_of(watch.key, watch.given)
        response = self._notification(watch, command)
        if command is None and response.code == Code.CONTENT:
            return
        if command is not None:
            watch.offer(command.request_id)
        self._notify(watch, response, confirm=True)

    def _confirmed(self, observation: Observation) -> None:
        """A notification was acknowledged: its command is delivered, and the next one may go."""
        watch = self.watches.find(observation)
        if watch is None:
            return
        watch.session.heard_at = self._now()
        if not watch.offered:
            return
        request_id, watch.offered = watch.offered, ""
        principal = watch.session.gate.principal
        self._given.commands.handed_out(principal, watch.device_id, request_id)
        self._offer(watch)


def _shown(command: Command) -> dict[str, Any]:
    return {
        "request_id": command.request_id,
        "name": command.name,
        "input": command.input,
        "expires_at": to_rfc3339(command.expires_at),
    }


@lru_cache(maxsize=64)  # a dozen formats there are; what is unknown raises and is not kept
def _properties_of(number: int) -> PublishProperties:
    return PublishProperties(content_type=media_type_of_number(number))

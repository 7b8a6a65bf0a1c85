"""The door of a DTLS listener: from datagrams of strangers to sessions of principals.

Nothing is kept for an address until it has sent back a cookie (CO-2). A handshake that is
under way stands beside the session that there was, and takes its place only when it has
succeeded: what others send from a peer's address ends nothing (CO-3). All of it is counted
and timed; who is too slow, too large or one too many is gone, and the owner reads why.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Protocol

from OpenSSL import SSL

from weft.errors import PeerError, QuotaExceeded, Unauthenticated
from weft.model.moments import NS_PER_S
from weft.observability.log import get_logger
from weft.security.attempts import Attempt
from weft.security.authentication import NOBODY, Authenticator, KeyOffer
from weft.security.limits import NetworkLimiter
from weft.security.reasons import Reason
from weft.security.throttle import network_of
from weft.transports.addresses import write_address
from weft.transports.dtls.association import Association, Send
from weft.transports.dtls.contexts import Contexts
from weft.transports.dtls.cookies import Address, Cookies
from weft.transports.dtls.records import (
    APPLICATION_DATA,
    DECRYPT_ERROR,
    HANDSHAKE,
    HANDSHAKE_FAILURE,
    ClientHello,
    epoch_of,
    plain_alert,
    read_client_hello,
    split_records,
)
from weft.transports.dtls.settings import DtlsSettings

log = get_logger(__name__)

TOO_OFTEN = "Handshakes begin too often from this network: keep the session, or wait a minute."
TOO_MANY = "Too many handshakes are under way, of this network or of all."
WRONG_KEY = "The pre-shared key is wrong."
HELD_MAX = 4  # datagrams; a device that is not answered sends again
NO_SUITE = "No cipher suite in common: offer PSK with AES-128-GCM or CCM, or ECDHE-ECDSA."


class Inner(Protocol):
    """The protocol within DTLS."""

    def opened(self, association: Association) -> None:
        """A peer has proven who it is; raises a `PeerError` where it may not come in."""
        ...

    def received(self, association: Association, message: bytes) -> None:
        """A message came."""
        ...

    def ended(self, association: Association) -> None:
        """The session is over."""
        ...


class DtlsDoor:
    """All sessions of one socket."""

    def __init__(
        self,
        contexts: Contexts,
        authenticator: Authenticator,
        settings: DtlsSettings,
        inner: Inner,
        clocks: tuple[Callable[[], float], Callable[[], int]],
    ) -> None:
        """`clocks` are the loop's, in seconds, and the wall's, in nanoseconds."""
        self._contexts = contexts
        self._authenticator = authenticator
        self._settings = settings
        self._inner = inner
        self._now, self._wall = clocks
        self._cookies = Cookies(self._now)
        self._send: Send = lambda _datagram, _address: None
        self._live: OrderedDict[Address, Association] = OrderedDict()  # longest silent first
        self._shaking: dict[Address, tuple[Association, float]] = {}
        self._per_network: Counter[str] = Counter()
        self._rates = NetworkLimiter(settings.handshake_rate, lambda: int(self._now() * NS_PER_S))

    def send_with(self, send: Send) -> None:
        """Have datagrams sent by `send`."""
        self._send = send

    def __len__(self) -> int:
        return len(self._live)

    @property
    def fault(self) -> str:
        """Why pre-shared keys are off, if they are."""
        return self._contexts.fault

    async def renew(self) -> None:
        """See our renewed certificate, and whom else is trusted now."""
        if self._contexts.is_stale:
            await asyncio.to_thread(self._contexts.build)

    @property
    def shaking(self) -> int:
        """How many handshakes are under way."""
        return len(self._shaking)

    # --- datagrams ---

    def receive(self, datagram: bytes, address: Address) -> None:
        """Take a datagram."""
        live = self._live.get(address)
        kind = datagram[0] if datagram else 0
        if kind == APPLICATION_DATA:
            if live is not None:
                self._open(live, datagram)
            else:
                self._hold(datagram, address)
            return
        hello = read_client_hello(datagram) if kind == HANDSHAKE else None
        if hello is not None:
            self._greet(hello, datagram, address)
            return
        under_way = self._shaking.get(address)
        if under_way is not None:
            self._shake(under_way[0], datagram)
        elif live is not None:
            self._open(live, datagram)

    def _open(self, association: Association, datagram: bytes) -> None:
        association.heard_at = self._now()
        self._live.move_to_end(association.address)
        for record in split_records(datagram):
            if not epoch_of(record):
                continue  # in the clear, behind the handshake: forged, or sent again
            try:
                message = association.open_record(record)
            except SSL.ZeroReturnError:
                self.end(association)
                return
            except SSL.Error as error:
                log.debug("dtls_broken", peer=association.peer, reason=association.explain(error))
                self.end(association)
                return
            if message:
                association.received += 1
                self._inner.received(association, message)
            if self._live.get(association.address) is not association:
                return  # it ended over this message

    # --- handshakes ---

    def _greet(self, hello: ClientHello, datagram: bytes, address: Address) -> None:
        if not self._cookies.is_good(hello.cookie, address):
            self._send(self._cookies.ask(hello, address), address)
            return
        under_way = self._shaking.get(address)
        if under_way is not None and under_way[0].random == hello.random:  # it lacks our answer
            self._shake(under_way[0], datagram)
            return
        if self._rates.take(address[0]) > 0:
            self._refuse(address, TOO_OFTEN)
            return
        if under_way is not None:
            self._forget(under_way[0])
        chosen = self._contexts.choose(hello.suites)
        if chosen is None:
            self._send(plain_alert(HANDSHAKE_FAILURE), address)
            self._note(write_address(address), NO_SUITE)
            return
        settings = self._settings
        if (
            len(self._shaking) >= settings.handshakes
            or self._per_network[network_of(address[0])] >= settings.handshakes_per_address
        ):
            self._refuse(address, TOO_MANY)
            return
        association = Association(chosen, hello, address, self._send, settings.mtu_bytes)
        self._shaking[address] = (association, self._now() + settings.handshake_s)
        self._per_network[network_of(address[0])] += 1
        self._advance(association, lambda: association.begin(datagram, self._offer(association)))

    def _refuse(self, address: Address, reason: str) -> None:
        log.debug("dtls_refused", peer=write_address(address), reason=reason)
        self._note(write_address(address), reason)

    def _offer(self, association: Association) -> Callable[[str], KeyOffer]:
        def offer(identity: str) -> KeyOffer:
            return self._authenticator.offer_psk(identity, association.peer)

        return offer

    def _shake(self, association: Association, datagram: bytes) -> None:
        self._advance(association, lambda: association.shake(datagram, self._offer(association)))

    def _advance(self, association: Association, step: Callable[[], bool]) -> None:
        try:
            done = step()
        except SSL.Error as error:
            self._fail(association, association.explain(error))
            return
        if done:
            self._complete(association)
        elif association.has_wrong_key:
            self._send(plain_alert(DECRYPT_ERROR), association.address)
            self._fail(association, WRONG_KEY)
        elif association.handshake_bytes > self._settings.handshake_max_bytes:
            self._fail(association, "The handshake is too large: send a shorter chain.")

    def _complete(self, association: Association) -> None:
        """Let in who has shaken hands; who comes for the first time is written down before."""
        if association.held is not None:  # its flight came again
            return
        if association.offer is None:
            arrival = self._authenticator.arrival_of(association.certificate(), association.peer)
            if arrival is not None:
                association.held = []
                arrival.add_done_callback(lambda _arrival: self._arrived(association))
                return
        self._let_in(association)

    def _arrived(self, association: Association) -> None:
        under_way = self._shaking.get(association.address)
        if under_way is None or under_way[0] is not association:  # it took too long
            return
        self._let_in(association)
        for datagram in association.held or ():
            if self._live.get(association.address) is association:
                self._open(association, datagram)
        association.held = None

    def _hold(self, datagram: bytes, address: Address) -> None:
        """Keep the first words of who has shaken hands and is not yet written down."""
        under_way = self._shaking.get(address)
        held = None if under_way is None else under_way[0].held
        if held is not None and len(held) < HELD_MAX:
            held.append(datagram)

    def _let_in(self, association: Association) -> None:
        self._forget(association)
        authenticator, peer = self._authenticator, association.peer
        try:
            if association.offer is not None and association.offer.visit is not None:
                association.visit = authenticator.prove_visit(association.offer, peer)
            elif association.offer is not None:
                association.proof = authenticator.prove_psk(association.offer, peer)
            else:
                association.proof = authenticator.prove_certificate(association.certificate(), peer)
            self._make_room(association)
            self._inner.opened(association)
        except Unauthenticated:
            association.say_goodbye()  # why is in the attempts
        except PeerError as error:
            log.debug("dtls_refused", peer=peer, reason=error.detail)
            if association.proof is not None:
                authenticator.turned_away(association.proof, peer, error)
            elif association.visit is not None:
                reason = Reason(error.detail, error.remedy)
                authenticator.note_visit(association.visit, peer, reason)
            association.say_goodbye()
        else:
            association.heard_at = self._now()
            self._live[association.address] = association

    def _make_room(self, association: Association) -> None:
        """End the session that this one replaces, or the longest silent one where it is full."""
        before = self._live.get(association.address)
        if before is not None:
            self.end(before)
        elif len(self._live) >= self._settings.sessions:
            oldest = next(iter(self._live.values()))
            if self._now() - oldest.heard_at < self._settings.keep_s:
                raise QuotaExceeded(
                    "There are as many DTLS sessions as there may be.",
                    remedy="Raise [transports.coap.dtls] sessions.",
                )
            oldest.say_goodbye()
            self.end(oldest)

    def _fail(self, association: Association, reason: str) -> None:
        self._forget(association)
        log.debug("dtls_failed", peer=association.peer, reason=reason)
        if association.offer is not None:
            found = "" if association.has_wrong_key else reason
            self._authenticator.failed_psk(association.offer, association.peer, found)
        else:
            self._note(association.peer, reason)

    def _forget(self, association: Association) -> None:
        """Drop a handshake that has succeeded or failed."""
        under_way = self._shaking.get(association.address)
        if under_way is None or under_way[0] is not association:
            return
        del self._shaking[association.address]
        network = network_of(association.address[0])
        self._per_network[network] -= 1
        if not self._per_network[network]:
            del self._per_network[network]

    def _note(self, peer: str, reason: str) -> None:
        """Let the owner learn why a device does not get as far as its first message."""
        self._authenticator.attempts.add(
            Attempt(
                at=self._wall(),
                tenant=NOBODY,
                peer=peer,
                claimed="(in the DTLS handshake)",
                accepted=False,
                reason=reason.strip(),
            )
        )

    # --- endings and time ---

    def end(self, association: Association) -> None:
        """Forget a session; asking twice changes nothing."""
        if self._live.get(association.address) is association:
            del self._live[association.address]
            association.has_ended = True
            self._inner.ended(association)

    def check(self) -> None:
        """Some times a second: send flights again, end what is too slow or too long silent."""
        now = self._now()
        for association, until in list(self._shaking.values()):
            if now >= until:
                self._fail(association, "The handshake took too long, or the peer went away.")
                continue
            try:
                association.send_again()
            except SSL.Error as error:
                self._fail(association, association.explain(error))
        while self._live:
            oldest = next(iter(self._live.values()))
            if now - oldest.heard_at < self._settings.idle_s:
                break
            oldest.say_goodbye()
            self.end(oldest)

    def close(self) -> None:
        """End all; peers that live are told."""
        self._shaking.clear()
        self._per_network.clear()
        for association in list(self._live.values()):
            association.say_goodbye()
            self.end(association)

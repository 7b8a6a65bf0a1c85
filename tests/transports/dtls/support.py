"""A DTLS listener without a socket, and clients that speak to it over lists of datagrams."""

import contextlib
import time
from collections import deque
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from tests.security.support import SYSTEM, World, device

from weft.errors import PeerError
from weft.model.device import Device
from weft.model.moments import NS_PER_S
from weft.security.connections import Connection
from weft.security.credential_records import IssuedIdentity, IssuedKey
from weft.transports.dtls.association import Association
from weft.transports.dtls.contexts import Contexts
from weft.transports.dtls.cookies import Address
from weft.transports.dtls.door import DtlsDoor
from weft.transports.dtls.preshared import DTLS_1_2, client_context
from weft.transports.dtls.records import datagrams_of, split_records
from weft.transports.dtls.settings import DtlsSettings

HERE: Address = ("192.0.2.7", 40_001)
KEY_SUITES = b"PSK-AES128-GCM-SHA256"
CCM_8 = b"PSK-AES128-CCM8:@SECLEVEL=0"


class Echoing:
    """The protocol inside: what it is told, and an answer to each message."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.door: DtlsDoor
        self.log: list[tuple[str, Any]] = []
        self.refuse: PeerError | None = None

    def opened(self, association: Association) -> None:
        if self.refuse is not None:
            raise self.refuse
        proof = association.proof
        assert proof is not None
        association.registered = self.world.connections.register(
            Connection(
                proof.principal,
                "coaps",
                association.peer,
                lambda _reason: self.door.end(association),
                expires_at=proof.expires_at,
            )
        )
        self.log.append(("opened", proof.principal.id))

    def received(self, association: Association, message: bytes) -> None:
        self.log.append(("received", message))
        association.send(b"echo " + message)

    def ended(self, association: Association) -> None:
        assert association.registered is not None
        self.world.connections.unregister(association.registered)
        self.log.append(("ended", association.peer))

    def of(self, what: str) -> list[Any]:
        """What of one kind has happened."""
        return [value for kind, value in self.log if kind == what]


class House:
    """A door, the world behind it, and the clients before it."""

    def __init__(self, folder: Path, settings: DtlsSettings | None = None) -> None:
        self.world = World(folder)
        # OpenSSL has a clock of its own for certificates.
        self.world.clock.turn(time.time() - self.world.clock.now() / NS_PER_S)
        self.world.authority.open()
        self.contexts = Contexts(self.world.authority)
        self.inner = Echoing(self.world)
        self.now = 1_000.0
        self.door = self.inner.door = DtlsDoor(
            self.contexts,
            self.world.door,
            settings or DtlsSettings(),
            self.inner,
            (lambda: self.now, self.world.clock.now),
        )
        self.clients: dict[Address, Client] = {}
        self.stray: list[tuple[bytes, Address]] = []
        self.sent_bytes = 0
        self.door.send_with(self._send)

    def _send(self, datagram: bytes, address: Address) -> None:
        self.sent_bytes += len(datagram)
        client = self.clients.get(address)
        if client is None:
            self.stray.append((datagram, address))
        else:
            client.arrived.append(datagram)

    def client(self, context: SSL.Context, address: Address = HERE) -> "Client":
        """A client at an address; one that was there has lost its memory."""
        made = self.clients[address] = Client(self, context, address)
        return made

    async def key(self, name: str = "meter-1") -> IssuedKey:
        """A device with a pre-shared key."""
        return await self.world.preshared.issue(SYSTEM, device(name))

    async def certificate(self, of: Device | None = None) -> IssuedIdentity:
        """A device with a certificate."""
        return await self.world.credentials.issue_certificate(SYSTEM, of or device("gate-1"))


class Client:
    """OpenSSL as a DTLS client, a step at a time."""

    def __init__(self, house: House, context: SSL.Context, address: Address) -> None:
        self.house = house
        self.address = address
        self.arrived: deque[bytes] = deque()
        self.connection = SSL.Connection(context, None)
        self.connection.set_connect_state()
        self.connection.set_ciphertext_mtu(1_280)

    def output(self) -> list[bytes]:
        """The datagrams that it wants to send."""
        try:
            return datagrams_of(self.connection.bio_read(65_536), 1_280)
        except SSL.WantReadError:
            return []

    def step(self) -> bool:
        """Take what has arrived, send what is to be sent; whether the handshake is done."""
        while self.arrived:
            self.connection.bio_write(self.arrived.popleft())
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            done = False
        else:
            done = True
        for datagram in self.output():
            self.house.door.receive(datagram, self.address)
        return done

    def shake(self) -> bool:
        """Shake hands; raises `SSL.Error` for an alert."""
        return any(self.step() for _ in range(10))

    def flight(self) -> list[bytes]:
        """Shake hands up to the client's half, return its records and send none of them."""
        self.step()  # without a cookie
        (with_cookie,) = self._next()
        self.house.door.receive(with_cookie, self.address)
        return [record for datagram in self._next() for record in split_records(datagram)]

    def _next(self) -> list[bytes]:
        while self.arrived:
            self.connection.bio_write(self.arrived.popleft())
        with contextlib.suppress(SSL.WantReadError):
            self.connection.do_handshake()
        return self.output()

    def repeated(self) -> list[bytes]:
        """What the client sends when its timer has run out, without waiting for it."""
        while not (found := self.output()):
            wait_s = self.connection.DTLSv1_get_timeout()
            assert wait_s is not None
            self.connection.DTLSv1_handle_timeout()
        return found

    def ask(self, message: bytes) -> bytes:
        """Send a message and return what comes back, empty if nothing does."""
        self.connection.send(message)
        for datagram in self.output():
            self.house.door.receive(datagram, self.address)
        return self.read()

    def read(self) -> bytes:
        """Return the next message that has arrived."""
        while self.arrived:
            self.connection.bio_write(self.arrived.popleft())
            try:
                return self.connection.recv(2_048)
            except (SSL.WantReadError, SSL.ZeroReturnError):
                continue
        return b""


_kept: list[Any] = []  # callbacks that OpenSSL holds bare pointers of, as long as the tests run


def key_context(name: str, key: str | bytes, suites: bytes = KEY_SUITES) -> SSL.Context:
    """A client that holds a pre-shared key."""
    secret = key.encode() if isinstance(key, str) else key
    context, callback = client_context(name, secret, suites)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    _kept.append(callback)
    return context


def certificate_context(
    identity: IssuedIdentity | None, house: House, suites: bytes = b"ECDHE+AESGCM"
) -> SSL.Context:
    """A client that holds a certificate, and checks ours."""
    context = _checking_context(house.world.authority.root_pem, suites)
    if identity is not None:
        made = identity.certificate
        context.use_certificate(x509.load_pem_x509_certificate(made.certificate_pem.encode()))
        chain = x509.load_pem_x509_certificate(made.chain_pem.encode())
        context.add_extra_chain_cert(chain)
        assert made.private_key_pem is not None
        key: Any = load_pem_private_key(made.private_key_pem.encode(), None)
        context.use_privatekey(key)
    return context


def customer_context(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, root_pem: str
) -> SSL.Context:
    """A client whose certificate is of a customer's authority; it checks ours."""
    context = _checking_context(root_pem, b"ECDHE+AESGCM")
    context.use_certificate(certificate)
    context.use_privatekey(key)
    return context


def _checking_context(root_pem: str, suites: bytes) -> SSL.Context:
    context = _client_context(suites)
    store = context.get_cert_store()
    assert store is not None
    root = x509.load_pem_x509_certificate(root_pem.encode())
    store.add_cert(SSL.X509.from_cryptography(root))
    context.set_verify(SSL.VERIFY_PEER, lambda *arguments: bool(arguments[-1]))
    return context


def _client_context(suites: bytes) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    context.set_max_proto_version(DTLS_1_2)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    context.set_cipher_list(suites)
    return context

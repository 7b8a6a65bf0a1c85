"""Both ends of TLS: an authority, clients' certificates good and bad, and a door to knock at."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId
from weft.security.authority import CertificateAuthority
from weft.security.certificates import name_of, pem_of, private_pem
from weft.supervision import FakeClock, SystemClock
from weft.transports.tls import TlsDoor, TlsSettings

PUMP = Device(
    tenant=TenantId("main"),
    device_id=DeviceId("pump-7"),
    uid=DeviceUid("uid-7"),
    type_name=None,
    lifecycle=Lifecycle.ACTIVE,
    created_at=0,
)
DAY_S = 86_400.0
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Echo(asyncio.Protocol):
    """The protocol inside: sends back what comes, and remembers what befell it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.received = bytearray()
        self.pauses = 0
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.eof = asyncio.Event()
        self.stays_open = False
        self.on_made: Callable[[], None] = lambda: None
        self.on_data: Callable[[bytes], None] = self.echo

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.on_made()

    def echo(self, data: bytes) -> None:
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.on_data(data)

    def eof_received(self) -> bool:
        self.eof.set()
        return self.stays_open

    def pause_writing(self) -> None:
        self.pauses += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(exc)


class Place:
    """A served door: what came in, and who was refused and why."""

    def __init__(self, folder: Path, clients: Any, settings: TlsSettings) -> None:
        self.authority = CertificateAuthority(folder / "ca", b"tests", SystemClock())
        self.authority.open()
        self.folder = folder
        self.refused: list[str] = []
        self.inside: list[Echo] = []
        self.prepare: Callable[[Echo], None] = lambda _echo: None
        self.door = TlsDoor(
            self.authority.server_context(clients),
            self._make,
            settings,
            lambda _peer, reason: self.refused.append(reason),
        )
        self.port = 0

    def _make(self) -> Echo:
        echo = Echo()
        self.prepare(echo)
        self.inside.append(echo)
        return echo

    def client_context(self, version: ssl.TLSVersion = TLS_1_3, identity: str = "") -> Any:
        """A client that speaks one version, with a certificate by the name of a method here."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.authority.root_pem)
        context.minimum_version = context.maximum_version = version
        if identity:
            file = self.folder / f"{identity}.pem"
            if not file.exists():
                file.write_text(getattr(self, identity)())
            context.load_cert_chain(file)
        return context

    async def connect(
        self, version: ssl.TLSVersion = TLS_1_3, identity: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1",
            self.port,
            ssl=self.client_context(version, identity),
            server_hostname="localhost",
        )

    # --- certificates, each with its key and chain ---

    def good(self, authority: CertificateAuthority | None = None) -> str:
        issued = (authority or self.authority).issue(PUMP)
        return f"{issued.private_key_pem}{issued.certificate_pem}{issued.chain_pem}"

    def _at(self, days: float) -> str:
        clock = FakeClock(SystemClock().now())
        clock.turn(days * DAY_S)
        other = CertificateAuthority(self.folder / "ca", b"tests", clock)
        other.open()
        return self.good(other)

    def expired(self) -> str:
        return self._at(-100)

    def not_yet(self) -> str:
        return self._at(10)

    def stranger(self) -> str:
        other = CertificateAuthority(self.folder / "other", b"tests", SystemClock())
        other.open()
        return self.good(other)

    def server_only(self) -> str:
        """Ours, in every respect but what it is for."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = self.authority
        certificate = (
            own._builder("pump-7", key.public_key(), timedelta(days=9), own._intermediate.subject)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(own._key, hashes.SHA256())
        )
        return private_pem(key) + pem_of(certificate)

    def self_signed(self) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name_of("pump-7"))
            .issuer_name(name_of("pump-7"))
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        return private_pem(key) + pem_of(certificate)


@asynccontextmanager
async def place(
    folder: Path, clients: str = "optional", settings: TlsSettings | None = None
) -> AsyncIterator[Place]:
    made = Place(folder, clients, settings or TlsSettings())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(made.door.protocol, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.door.close()
        for echo in made.inside:
            echo.transport.abort()


class BareClient:
    """A client whose bytes can be cut, changed and held back before they leave."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def shake(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: bytes) -> bytes:
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        return self.outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        self.incoming.write(data)
        parts = []
        while True:
            try:
                part = self.tls.read(16_384)
            except ssl.SSLWantReadError:
                return b"".join(parts)
            if not part:
                return b"".join(parts)
            parts.append(part)


class FakeSocket(asyncio.Transport):
    """A socket in memory: what was written, whether reading is paused, how it was closed."""

    def __init__(self, peer: tuple[Any, ...] = ("192.0.2.7", 4000)) -> None:
        super().__init__({"peername": peer})
        self.written = bytearray()
        self.reading = True
        self.closed = self.aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def take(self) -> bytes:
        data = bytes(self.written)
        self.written.clear()
        return data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is none."""

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

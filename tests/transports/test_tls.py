"""TLS over real sockets, on asyncio's loop and on uvloop; splits and faults in memory."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.transports.tls_support import (
    TLS_1_2,
    TLS_1_3,
    BareClient,
    Echo,
    FakeSocket,
    Place,
    place,
)

from weft.errors import ProtocolError
from weft.transports.tls import TlsDoor, TlsSettings

BOTH = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
PATIENT_S = 20.0


async def ended(echo: Echo) -> Exception | None:
    async with asyncio.timeout(PATIENT_S):
        return await echo.ended


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENT_S):
        while not true():  # noqa: ASYNC110  the station has no event for a test to wait on
            await asyncio.sleep(0.001)


async def until_gone(reader: asyncio.StreamReader) -> bytes:
    """Read until the server ends the connection, however it does so."""
    received = b""
    async with asyncio.timeout(PATIENT_S):
        while True:
            try:
                part = await reader.read(65_536)
            except (ConnectionError, ssl.SSLError):
                return received
            if not part:
                return received
            received += part


# --- what a device sees ---


@BOTH
async def test_what_is_written_comes_back(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A greeting, a record's worth, and eight megabytes, each as it was."""
    async with place(tmp_path) as here:
        reader, writer = await here.connect(version)
        for data in (b"hello", b"x" * 16_384, bytes(range(256)) * 32_768):
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
        writer.close()
        assert await ended(here.inside[0]) is None
        assert here.refused == []
        assert len(here.door) == 0


@BOTH
async def test_mq_1_the_certificate_is_there_when_the_protocol_begins(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """The protocol inside reads it in `connection_made`, beside the peer's address."""
    seen: list[Any] = []

    def prepare(echo: Echo) -> None:
        def made() -> None:
            tls = echo.transport.get_extra_info("ssl_object")
            peer = echo.transport.get_extra_info("peername")
            seen.append((tls.getpeercert(binary_form=True), tls.version(), peer[0]))

        echo.on_made = made

    async with place(tmp_path) as here:
        here.prepare = prepare
        _, writer = await here.connect(version, "good")
        writer.write(b"x")
        await here_inside(here)
        der, name, peer = seen[0]
        assert ssl.DER_cert_to_PEM_cert(der).strip() in (tmp_path / "good.pem").read_text()
        assert (name, peer) == (version.name.replace("_", "."), "127.0.0.1")
        writer.close()


async def here_inside(here: Place) -> Echo:
    await until(lambda: bool(here.inside))
    return here.inside[0]


@BOTH
@pytest.mark.parametrize(
    ("identity", "says"),
    [
        ("expired", "has expired"),
        ("not_yet", "not valid yet"),
        ("stranger", "not Weft's"),
        ("self_signed", "signed by itself"),
        ("server_only", "not for client authentication"),
        ("", "showed no certificate"),
    ],
)
async def test_mq_1_a_bad_certificate_does_not_get_in(
    tmp_path: Path, version: ssl.TLSVersion, identity: str, says: str
) -> None:
    """The protocol inside never hears of it; the owner reads why."""
    async with place(tmp_path, "required") as here:
        assert await answer_to(here, version, identity) == b""
        assert here.inside == []
        assert len(here.refused) == 1
        assert says in here.refused[0]
        assert len(here.door) == 0


async def answer_to(here: Place, version: ssl.TLSVersion, identity: str) -> bytes:
    """Ask to be let in. With TLS 1.3 a client learns only then that it is not."""
    try:
        reader, writer = await here.connect(version, identity)
    except (ssl.SSLError, ConnectionError):
        return b""
    writer.write(b"let me in")
    try:
        return await until_gone(reader)
    finally:
        writer.close()


def mistrust(here: Place) -> None:
    """Connect from a thread, believing only the authorities of the web."""
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", here.port)) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


async def test_the_owner_learns_that_the_device_does_not_trust_us(tmp_path: Path) -> None:
    """The root certificate was never put on the device."""
    async with place(tmp_path) as here:
        await asyncio.to_thread(mistrust, here)
        await until(lambda: bool(here.refused))
        assert "does not trust" in here.refused[0]
        assert "root certificate" in here.refused[0]


def connect_again(here: Place, version: ssl.TLSVersion) -> list[bool]:
    """Connect three times from a thread, each with the session of the time before."""
    context = here.client_context(version, "good")
    found, session = [], None
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", here.port)) as plain:
            try:
                tls = context.wrap_socket(plain, server_hostname="localhost", session=session)
            except ssl.SSLError as error:
                found.append("ALERT_HANDSHAKE_FAILURE" not in error.reason)
                session = None
                continue
            tls.sendall(b"x")
            assert tls.recv(1) == b"x"
            found.append(tls.session_reused is False)
            session = tls.session
            tls.unwrap().close()
    return found


async def test_rv_2_no_session_is_resumed_by_ticket(tmp_path: Path) -> None:
    """TLS 1.3 gives none out: every connection proves its certificate anew."""
    async with place(tmp_path) as here:
        assert await asyncio.to_thread(connect_again, here, TLS_1_3) == [True, True, True]


async def test_rv_2_no_session_is_resumed_by_id(tmp_path: Path) -> None:
    """With TLS 1.2 one that is offered is refused and forgotten; without it the peer is let in."""
    async with place(tmp_path) as here:
        assert await asyncio.to_thread(connect_again, here, TLS_1_2) == [True, False, True]
        assert len(here.refused) == 1
        assert "resume" in here.refused[0]


def openssl(here: Place, *options: str, say: str = "") -> str:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{here.port}", *options]
    done = subprocess.run(
        command, input=say.encode(), capture_output=True, timeout=PATIENT_S, check=False
    )
    return (done.stdout + done.stderr).decode(errors="replace")


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


@needs_openssl
@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
async def test_rv_2_openssl_reconnects_and_resumes_nothing(tmp_path: Path, option: str) -> None:
    """The command that the requirement names."""
    async with place(tmp_path) as here:
        told = await asyncio.to_thread(openssl, here, "-reconnect", option)
        assert "Reused" not in told
        assert "New, TLSv1." in told


@needs_openssl
async def test_mq_1_a_peer_cannot_renegotiate(tmp_path: Path) -> None:
    """With TLS 1.2 it asks for a new handshake in the middle, and gets none."""
    async with place(tmp_path) as here:
        told = await asyncio.to_thread(openssl, here, "-tls1_2", say="R\n")
        assert "RENEGOTIATING" in told
        assert "no renegotiation" in told
        assert here.inside[0].received == b""


@needs_openssl
async def test_keys_are_renewed_when_the_peer_asks(tmp_path: Path) -> None:
    """A key update of TLS 1.3 is answered between two lines."""
    async with place(tmp_path) as here:
        told = await asyncio.to_thread(openssl, here, "-tls1_3", say="K\n")
        assert "KEYUPDATE" in told
        assert "error" not in told.partition("KEYUPDATE")[2]
        assert await ended(here.inside[0]) is None


# --- peers that do not speak TLS, or not to the end ---


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", "does not speak TLS"),
        (b"GET / HTTP/1.1\r\nhost: weft\r\n\r\n", "speaks HTTP"),
        (b"\x00" * 100, "TLS"),
        (b"\xff" * 70_000, "TLS"),
        (b"\x16\x03\x01\x40\x00" + b"\x01\x01\xff\xff" + b"\xee" * 70_000, "TLS"),
    ],
)
async def test_what_is_not_tls_is_refused_at_once(tmp_path: Path, data: bytes, says: str) -> None:
    """Plain MQTT, plain HTTP, and noise."""
    async with place(tmp_path) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(data)
        await until_gone(reader)
        assert says in here.refused[0]
        assert here.inside == []
        writer.close()


async def test_rl_2_a_handshake_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """One says nothing at all, one sends half a ClientHello; both are gone after the limit."""
    async with place(tmp_path, settings=TlsSettings(handshake_s=0.05)) as here:
        client = BareClient(here.client_context())
        client.shake()
        hello = client.outgoing.read()
        peers = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(2)]
        peers[1][1].write(hello[:50])
        for reader, writer in peers:
            assert await until_gone(reader) == b""
            writer.close()
        assert here.refused == ["The handshake took too long."] * 2
        assert len(here.door) == 0


async def test_rl_2_one_address_has_only_so_many_handshakes(tmp_path: Path) -> None:
    """The third stranger is turned away; when one of the others leaves there is room again."""
    async with place(tmp_path, settings=TlsSettings(handshakes_per_address=2)) as here:
        first = await asyncio.open_connection("127.0.0.1", here.port)
        second = await asyncio.open_connection("127.0.0.1", here.port)
        third = await asyncio.open_connection("127.0.0.1", here.port)
        await until_gone(third[0])
        assert len(here.door) == 2
        first[1].close()
        await until(lambda: len(here.door) < 2)
        reader, writer = await here.connect()
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        for one in (second, third, (reader, writer)):
            one[1].close()


async def test_rl_2_an_ipv6_network_has_the_handshakes_of_one_address(tmp_path: Path) -> None:
    """Whoever has one address of a /64 has all of them."""
    async with place(tmp_path, settings=TlsSettings(handshakes_per_address=2)) as here:
        hosts = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]
        shaking = [here.door.protocol() for _ in hosts]
        came = [here.door.came(one, host) for one, host in zip(shaking, hosts, strict=True)]
        assert came == [True, True, False, True]
        for one in shaking:
            here.door.done(one)
        assert len(here.door) == 0


async def test_a_door_that_closes_ends_handshakes(tmp_path: Path) -> None:
    """A peer in the middle of its handshake does not hold up the stop."""
    async with place(tmp_path) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        await until(lambda: len(here.door) > 0)
        here.door.close()
        assert await until_gone(reader) == b""
        writer.close()


# --- endings ---


async def test_a_peer_may_stop_sending_and_still_read(tmp_path: Path) -> None:
    """It says close_notify; the protocol inside stays open and has the last word."""

    def prepare(echo: Echo) -> None:
        echo.stays_open = True
        echo.on_data = lambda _data: None

    async with place(tmp_path) as here:
        here.prepare = prepare
        reader, writer, client = await bare(here)
        writer.write(client.encrypt(b"question"))
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        writer.write(client.outgoing.read())
        inside = await here_inside(here)
        async with asyncio.timeout(PATIENT_S):
            await inside.eof.wait()
        assert bytes(inside.received) == b"question"
        inside.transport.write(b"answer")
        assert client.decrypt(await reader.read(65_536)) == b"answer"
        inside.transport.close()
        assert await ended(inside) is None
        writer.close()


async def bare(here: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, BareClient]:
    """Shake hands by hand, over a real socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    client = BareClient(here.client_context())
    while not client.shake():
        writer.write(client.outgoing.read())
        client.incoming.write(await reader.read(65_536))
    writer.write(client.outgoing.read())
    return reader, writer, client


async def test_a_stream_that_is_cut_short_is_told_apart_from_its_end(tmp_path: Path) -> None:
    """Anyone on the way can end TCP; only the peer can end TLS."""
    async with place(tmp_path) as here:
        _, writer, client = await bare(here)
        writer.write(client.encrypt(b"half a sen"))
        inside = await here_inside(here)
        await until(lambda: bool(inside.received))
        # Only the end of the bytes: closing with the echo unread would be a reset.
        writer.write_eof()
        assert isinstance(await ended(inside), ProtocolError)
        assert not inside.eof.is_set()
        writer.close()


async def test_a_record_that_was_changed_on_the_way_ends_the_connection(tmp_path: Path) -> None:
    """What came before it is handed on, nothing of it or behind it is."""
    async with place(tmp_path) as here:
        reader, writer, client = await bare(here)
        changed = bytearray(client.encrypt(b"bad"))
        changed[-1] ^= 1
        writer.write(client.encrypt(b"good") + bytes(changed) + client.encrypt(b"late"))
        inside = await here_inside(here)
        error = await ended(inside)
        # The first record is out of order now, so even that one proves nothing.
        assert isinstance(error, ProtocolError)
        assert b"bad" not in inside.received
        assert b"late" not in inside.received
        await until_gone(reader)
        writer.close()


async def test_close_sends_what_was_written_and_says_good_bye(tmp_path: Path) -> None:
    """The client reads everything and then a clean end."""

    def prepare(echo: Echo) -> None:
        def answer(_data: bytes) -> None:
            echo.transport.write(b"y" * 1_000_000)
            echo.transport.close()
            echo.transport.write(b"too late")
            assert echo.transport.is_closing()

        echo.on_data = answer

    def read_all(here: Place) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", here.port)) as plain,
            here.client_context().wrap_socket(
                plain, server_hostname="localhost", suppress_ragged_eofs=False
            ) as tls,
        ):
            tls.sendall(b"?")
            return b"".join(iter(lambda: tls.recv(65_536), b""))

    async with place(tmp_path) as here:
        here.prepare = prepare
        assert await asyncio.to_thread(read_all, here) == b"y" * 1_000_000
        assert await ended(here.inside[0]) is None


async def test_rv_1_abort_does_not_wait_for_the_peer(tmp_path: Path) -> None:
    """A peer that reads nothing and owes megabytes is gone at once."""
    async with place(tmp_path) as here:
        reader, writer, client = await bare(here)
        writer.write(client.encrypt(b"x"))
        inside = await here_inside(here)
        inside.transport.write(b"z" * 20_000_000)
        inside.transport.abort()
        await ended(inside)
        assert len(await until_gone(reader)) < 20_000_000
        writer.close()


async def test_a_slow_peer_is_noticed_and_waited_for(tmp_path: Path) -> None:
    """The protocol inside is asked to pause at its own limit, and to go on later."""
    async with place(tmp_path) as here:
        reader, writer, client = await bare(here)
        inside = await here_inside(here)
        inside.transport.set_write_buffer_limits(high=64 * 1024)
        sent = 0
        while not inside.pauses:
            inside.transport.write(b"w" * 65_536)
            sent += 65_536
        assert inside.transport.get_write_buffer_size() > 64 * 1024
        received = 0
        async with asyncio.timeout(PATIENT_S):
            while received < sent:
                received += len(client.decrypt(await reader.read(1_000_000)))
        assert inside.transport.get_write_buffer_size() == 0
        writer.close()


async def test_what_came_with_the_handshake_waits_until_it_is_wanted(tmp_path: Path) -> None:
    """A protocol that pauses as it begins gets its first bytes when it resumes, in order."""

    def prepare(echo: Echo) -> None:
        echo.on_made = lambda: echo.transport.pause_reading()  # noqa: PLW0108  made later

    async with place(tmp_path) as here:
        here.prepare = prepare
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        client = BareClient(here.client_context(TLS_1_3))
        while not client.shake():
            writer.write(client.outgoing.read())
            client.incoming.write(await reader.read(65_536))
        writer.write(client.outgoing.read() + client.encrypt(b"first " * 10_000))
        inside = await here_inside(here)
        writer.write(client.encrypt(b"second"))
        assert inside.received == b""
        inside.transport.resume_reading()
        await until(lambda: inside.received.endswith(b"second"))
        assert bytes(inside.received) == b"first " * 10_000 + b"second"
        writer.close()


# --- in memory: any split, and what the loop would not show ---


def conversation(folder: Path, cuts: list[int], version: ssl.TLSVersion) -> bytes:
    """Shake hands and say three things, every byte in pieces of the given sizes in turn."""

    async def talk() -> bytes:
        here = Place(folder, "optional", TlsSettings())
        client = BareClient(here.client_context(version))
        socket, protocol = FakeSocket(), here.door.protocol()
        protocol.connection_made(socket)
        turn = 0

        def deliver(data: bytes) -> None:
            nonlocal turn
            while data:
                size = cuts[turn % len(cuts)]
                protocol.data_received(data[:size])
                data, turn = data[size:], turn + 1

        while not client.shake():
            deliver(client.outgoing.read())
            client.incoming.write(socket.take())
        rest = client.outgoing.read()
        deliver(rest + client.encrypt(b"one") + client.encrypt(b"two" * 9_000))
        deliver(client.encrypt(b"three"))
        answer = client.decrypt(socket.take())
        assert bytes(here.inside[0].received) == answer
        protocol.abort()
        protocol.connection_lost(None)
        return answer

    return asyncio.run(talk())


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.lists(st.integers(1, 5_000) | st.integers(15_000, 40_000), min_size=1, max_size=6),
    version=st.sampled_from([TLS_1_2, TLS_1_3]),
)
def test_any_split_of_the_bytes_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], version: ssl.TLSVersion
) -> None:
    """Wherever TCP cuts, the protocol inside reads the same."""
    folder = tmp_path_factory.getbasetemp() / "splits"
    folder.mkdir(exist_ok=True)
    assert conversation(folder, cuts, version) == b"one" + b"two" * 9_000 + b"three"


def test_one_byte_at_a_time_says_the_same(tmp_path: Path) -> None:
    """The worst of all splits."""
    assert conversation(tmp_path, [1], TLS_1_3) == b"one" + b"two" * 9_000 + b"three"


class Busy(FakeSocket):
    """A socket in memory that is shaken hands on already."""

    def __init__(self, here: Place) -> None:
        super().__init__()
        self.client = BareClient(here.client_context())
        self.protocol = here.door.protocol()
        self.protocol.connection_made(self)
        while not self.client.shake():
            self.protocol.data_received(self.client.outgoing.read())
            self.client.incoming.write(self.take())
        self.protocol.data_received(self.client.outgoing.read())


async def test_a_bug_inside_is_not_taken_for_the_peers_fault(tmp_path: Path) -> None:
    """It goes on to the loop, which ends this connection and says so loudly."""
    here = Place(tmp_path, "optional", TlsSettings())
    busy = Busy(here)

    def broken(_data: bytes) -> None:
        raise KeyError("ours")

    here.inside[0].on_data = broken
    with pytest.raises(KeyError, match="ours"):
        busy.protocol.data_received(busy.client.encrypt(b"x"))
    busy.protocol.connection_lost(KeyError("ours"))
    assert isinstance(await ended(here.inside[0]), KeyError)
    assert here.refused == []


async def test_a_peer_that_only_asks_for_keys_is_cut(tmp_path: Path) -> None:
    """Each answer waits in our memory as long as it reads nothing."""
    here = Place(tmp_path, "optional", TlsSettings())
    busy = Busy(here)
    busy.protocol.pause_writing()
    for _ in range(100):
        busy.protocol._answer()
    assert busy.aborted
    busy.protocol.connection_lost(None)


async def test_a_handshake_has_a_size(tmp_path: Path) -> None:
    """A peer that sends ever more of its ClientHello is cut before the time is up."""
    here = Place(tmp_path, "optional", TlsSettings(handshake_max_bytes=1_000))
    socket, protocol = FakeSocket(), here.door.protocol()
    protocol.connection_made(socket)
    protocol.data_received(b"\x16\x03\x01\x3f\xff\x01\x00\x3f\xf0\x03\x03" + b"\xee" * 500)
    assert not socket.closed
    protocol.data_received(b"\xee" * 600)
    assert socket.closed
    assert here.refused == ["The handshake is too large. Send a shorter chain."]
    protocol.connection_lost(None)


def test_the_door_shares_one_buffer() -> None:
    """An idle connection has none of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    door = TlsDoor(context, Echo, TlsSettings(), lambda _peer, _reason: None)
    assert len(door.plaintext) == 16 * 1024
    assert len(door) == 0

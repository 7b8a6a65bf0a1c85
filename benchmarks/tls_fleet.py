"""A fleet over TLS: devices made many at a time, and a process that holds their connections."""

import asyncio
import multiprocessing
import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from weft.app.compose import MACHINE, Weft
from weft.app.folder import DataFolder
from weft.config import load_config
from weft.registry.devices import NewDevice
from weft.security.keys import NewKey

AT_ONCE = 200  # devices made together share commits
PATIENT_S = 60.0


@dataclass
class Fleet:
    """Devices with their secrets, and a key that may revoke them."""

    devices: list[tuple[str, str, str]] = field(default_factory=list)  # name, secret, credential
    key: str = ""


def make_tls_fleet(folder: Path, devices: int) -> Fleet:
    """Make devices and a service key on a new data folder."""
    return asyncio.run(_make(folder, devices))


async def _make(folder: Path, devices: int) -> Fleet:
    fleet = Fleet()
    async with Weft.open(load_config(None, {}), DataFolder(folder)) as weft:
        identity = weft.identity

        async def make(number: int) -> None:
            new = NewDevice(device_id=f"machine-{number:05d}")
            device = await identity.devices.create(MACHINE, new)
            issued = await identity.credentials.issue_secret(MACHINE, device)
            fleet.devices.append((device.device_id, issued.token, issued.credential.credential_id))

        for first in range(0, devices, AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for number in range(first, min(first + AT_ONCE, devices)):
                    tasks.create_task(make(number))
        key = await identity.keys.create(MACHINE, NewKey("benchmark", ("devices:write",)))
        fleet.key = key.token
    return fleet


def connect_packet(client_id: str, secret: str) -> bytes:
    """Encode CONNECT of MQTT 3.1.1: clean session, no keep-alive, a device by its secret."""
    texts = [client_id, client_id, secret]
    body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(
        len(text).to_bytes(2, "big") + text.encode() for text in texts
    )
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return b"\x10" + length + body


def _hold(pipe: Connection, port: int, root: str, version: Any, devices: Any) -> None:
    """Connect all devices, say so, then tell when each socket was closed by the server."""
    context = None
    if version is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=root)
        context.minimum_version = context.maximum_version = version
    poll = select.epoll()
    names: dict[int, str] = {}
    sockets = []
    began = time.monotonic()
    for name, secret, _ in devices:
        connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENT_S)
        if context is not None:
            connection = context.wrap_socket(connection, server_hostname="localhost")
        connection.sendall(connect_packet(name, secret))
        if connection.recv(4) != b"\x20\x02\x00\x00":
            raise ConnectionError(f"{name} was not let in")
        names[connection.fileno()] = name
        sockets.append(connection)
        poll.register(connection.fileno(), select.EPOLLRDHUP)
    pipe.send(time.monotonic() - began)
    closed: dict[str, float] = {}
    while not pipe.poll():
        for number, _ in poll.poll(0.2):
            closed[names[number]] = time.monotonic()
            poll.unregister(number)
    pipe.recv()
    pipe.send(closed)


class Held:
    """A process that holds connections."""

    def __init__(self, pipe: Connection, connect_s: float) -> None:
        self._pipe = pipe
        self.connect_s = connect_s

    def closed(self) -> dict[str, float]:
        """Let go of all; return when each one that the server closed was closed."""
        self._pipe.send(None)
        found: dict[str, float] = self._pipe.recv()
        return found


@contextmanager
def held(port: int, folder: Path, version: ssl.TLSVersion | None, devices: Any) -> Iterator[Held]:
    """Hold a connection of each device; without a version, in the clear."""
    ours, theirs = multiprocessing.Pipe()
    root = str(folder / "certificates" / "root.pem")
    process = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(theirs, port, root, version, devices), daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield Held(ours, ours.recv())
    finally:
        process.kill()
        process.join()

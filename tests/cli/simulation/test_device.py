"""A simulated device's connection: a device like any other, with plain words when it fails."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.app.support import eventually
from tests.cli.simulation.support import add_machine, far_side, plant

from weft.app.compose import MACHINE, MAIN
from weft.cli.simulation import device as module
from weft.cli.simulation.device import connect_device
from weft.errors import Unavailable
from weft.model.ids import DeviceId
from weft.wire.mqtt.reasons import Reason

TELEMETRY = "devices/me/telemetry"
CONNACK = b"\x20\x03\x00\x00\x00"


async def test_a_message_is_sent_and_its_answer_is_known(tmp_path: Path) -> None:
    """Kept, or refused by the gate with its reason."""
    async with plant(tmp_path) as (weft, address):
        connection = await connect_device(*address, await add_machine(weft, "m-1"))
        assert connection.is_open
        assert await connection.publish(TELEMETRY, {"temperature": 21.5}) == Reason.SUCCESS
        refused = await connection.publish(TELEMETRY, {"temperature": 999})
        assert refused >= Reason.UNSPECIFIED_ERROR
        twin = weft.path.twins.get(MAIN, DeviceId("m-1"))
        assert twin.telemetry["temperature"].value == 21.5
        connection.close()
        await connection.closed
        assert not connection.is_open


async def test_a_wrong_credential_is_refused_in_words(tmp_path: Path) -> None:
    """The first connection fails, and the terminal says why."""
    async with plant(tmp_path) as (weft, address):
        name, _ = await add_machine(weft, "m-1")
        with pytest.raises(Unavailable, match="m-1 was refused"):
            await connect_device(*address, (name, "wrong"))


async def test_a_device_that_is_put_out_learns_it_at_once(tmp_path: Path) -> None:
    """Its connection is cut when its credential ends (RV-1)."""
    async with plant(tmp_path) as (weft, address):
        connection = await connect_device(*address, await add_machine(weft, "m-1"))
        await weft.identity.devices.delete(MACHINE, "m-1")
        async with asyncio.timeout(10):
            await connection.closed
        with pytest.raises(Unavailable, match="m-1 is not connected"):
            await connection.publish(TELEMETRY, {"temperature": 1})


async def test_nobody_there_is_said_in_words() -> None:
    """With the address that was tried."""

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with far_side(close) as (host, port):
        with pytest.raises(Unavailable, match="lost its connection"):
            await connect_device(host, port, ("m-1", "x"))
    with pytest.raises(Unavailable, match=f"{host}:{port}"):
        await connect_device(host, port, ("m-1", "x"))


async def test_a_far_side_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, and the connection is not kept."""
    monkeypatch.setattr(module, "ANSWER_S", 0.05)
    left = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            continue
        left.set()
        writer.close()

    async with far_side(wait) as address:
        with pytest.raises(Unavailable, match="did not answer"):
            await connect_device(*address, ("m-1", "x"))
        async with asyncio.timeout(10):
            await left.wait()


async def test_who_waits_for_an_answer_learns_that_there_is_none() -> None:
    """The far side goes away between PUBLISH and PUBACK."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(CONNACK)
        await reader.read(1024)
        writer.close()

    async with far_side(answer) as address:
        connection = await connect_device(*address, ("m-1", "x"))
        with pytest.raises(Unavailable, match="lost its connection"):
            await connection.publish(TELEMETRY, {"temperature": 1})


async def test_bytes_that_are_no_mqtt_end_the_connection() -> None:
    """What came behind them cannot be read."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(CONNACK + b"\x00\x00HTTP/1.1 200 OK")
        await reader.read(1024)
        writer.close()

    async with far_side(answer) as address:
        connection = await connect_device(*address, ("m-1", "x"))
        async with asyncio.timeout(10):
            await connection.closed


async def test_a_device_with_nothing_to_say_stays_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says that it is there, once it has been silent, and not before."""
    monkeypatch.setattr(module, "PING_S", 0.05)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(CONNACK)
        while data := await reader.read(1024):
            heard.append(data)
        writer.close()

    async with far_side(answer) as address:
        connection = await connect_device(*address, ("m-1", "x"))
        connection.keep_alive()

        async def pinged() -> list[bytes]:
            connection.keep_alive()
            return heard

        assert (await eventually(pinged))[0].startswith(b"\xc0\x00")
        connection.close()


async def test_what_is_sent_to_a_device_waits_until_it_looks(tmp_path: Path) -> None:
    """A wish comes with its version, as any client of MQTT sees it."""
    async with plant(tmp_path) as (weft, address):
        connection = await connect_device(*address, await add_machine(weft, "m-1", None))
        assert await connection.subscribe("devices/m-1/properties/desired") == 1
        await weft.path.twins.desire(MACHINE, DeviceId("m-1"), {"rpm": 900}, version=0)
        async with asyncio.timeout(60):
            message = await connection.inbox.get()
        assert json.loads(message.payload)["properties"] == {"rpm": 900}
        connection.close()


async def test_a_device_that_does_not_look_has_a_bounded_inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is not acknowledged: the server keeps it."""
    monkeypatch.setattr(module, "INBOX_MAX", 1)
    async with plant(tmp_path) as (weft, address):
        connection = await connect_device(*address, await add_machine(weft, "m-1", None))
        await connection.subscribe("devices/m-1/properties/desired")
        for version in (0, 1):
            await weft.path.twins.desire(
                MACHINE, DeviceId("m-1"), {"rpm": version}, version=version
            )
        assert await connection.publish(TELEMETRY, {"temperature": 21.5}) == Reason.SUCCESS
        assert connection.inbox.qsize() == 1
        connection.close()

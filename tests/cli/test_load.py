"""The load generator: it counts what was acknowledged, and is honest about what was not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.app.support import served

from weft.app.compose import MACHINE, Weft
from weft.cli import load as module
from weft.cli.load import Load, LoadResult, run_load
from weft.errors import Unavailable
from weft.registry.devices import NewDevice

CONNACK = b"\x20\x02\x00\x00"
TOPIC = "devices/{id}/telemetry"


async def fleet_of(weft: Weft, count: int) -> list[tuple[str, str]]:
    """Make devices and return their credentials."""
    credentials = []
    for number in range(count):
        device = await weft.identity.devices.create(MACHINE, NewDevice(f"m-{number}"))
        issued = await weft.identity.credentials.issue_secret(MACHINE, device)
        credentials.append((device.device_id, issued.token))
    return credentials


@asynccontextmanager
async def far_side(pieces: int = 1, code: int = 0) -> AsyncIterator[int]:
    """A server that lets everybody in and acknowledges each packet, in so many pieces."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(CONNACK[:3] + bytes([code]))
        while (first := await reader.read(2)) and first[0] != 0xE0:
            length = first[1]
            if length > 0x7F:
                length = (length & 0x7F) + ((await reader.readexactly(1))[0] << 7)
            await reader.readexactly(length)
            if first[0] == 0x32:
                for piece in (b"\x40\x02\x00", b"\x01") if pieces == 2 else (b"\x40\x02\x00\x01",):
                    writer.write(piece)
                    await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("qos", [0, 1])
async def test_what_it_counts_is_what_the_server_kept(tmp_path: Path, qos: int) -> None:
    """Its warm-up included, no message more and none less; the rate is the one asked for."""
    async with served(tmp_path) as weft:
        host, _, port = weft.endpoints.mqtt.rpartition(":")
        credentials = await fleet_of(weft, 3)
        load = Load(host, int(port), credentials, TOPIC, 500, 0.5, qos=qos, warm_up_s=0)
        result = await run_load(load)
        await weft.path.pipeline.drain()
        assert result.connections == 3
        assert result.lost_connections == 0
        assert 0 < result.sent <= 260
        if qos:
            assert result.acknowledged == result.sent == weft.stores.journal.head
            assert 0 < result.percentile_ms(0.5) <= result.percentile_ms(0.99)
        assert result.seconds >= 0.5


async def test_an_answer_in_two_pieces_is_one_answer() -> None:
    """TCP cuts where it likes."""
    async with far_side(pieces=2) as port:
        load = Load("127.0.0.1", port, [("m", "x")], TOPIC, 100, 0.3, warm_up_s=0)
        result = await run_load(load)
    assert 0 < result.acknowledged == result.sent


async def test_a_device_that_is_not_let_in_ends_the_load() -> None:
    """With its name; a load of fewer devices than asked for would be a false figure."""
    async with far_side(code=5) as port:
        load = Load("127.0.0.1", port, [("m-7", "x")], TOPIC, 100, 0.1)
        with pytest.raises(Unavailable, match="m-7 was refused: return code 5"):
            await run_load(load)


async def test_a_server_that_does_not_answer_ends_the_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not waited for to the end of days."""
    monkeypatch.setattr(module, "ANSWER_S", 0.05)

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            await run_load(Load("127.0.0.1", port, [("m", "x")], TOPIC, 100, 0.1))


async def test_a_server_that_hangs_up_is_counted() -> None:
    """Every connection that was lost stands in the result."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(CONNACK)
        await reader.read(10)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        load = Load("127.0.0.1", port, [("a", "x"), ("b", "x")], TOPIC, 100, 0.3, warm_up_s=0)
        result = await run_load(load)
    assert result.lost_connections == 2
    assert result.acknowledged == 0


def test_the_result_is_one_line_for_the_process_that_asked() -> None:
    """Percentiles of nothing are nothing, not a fault."""
    result = LoadResult(connections=2, sent=10, acknowledged=8, seconds=2.0)
    assert result.rate == 4.0
    found = json.loads(result.to_json())
    assert found["rate"] == 4.0
    assert found["ack_p99_ms"] == 0.0
    result.latencies_ms = [float(number) for number in range(1, 101)]
    assert (result.percentile_ms(0.5), result.percentile_ms(0.99)) == (51.0, 100.0)

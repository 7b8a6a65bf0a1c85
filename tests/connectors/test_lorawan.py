"""Downlinks: a command goes into ChirpStack's queue once, and ends with its acknowledgement."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.app.support import eventually, served
from tests.connectors.farside import Asked, FarSide, Reply, as_json, far_side

from weft.app.compose import MACHINE, MAIN, Weft
from weft.errors import ConfigurationError
from weft.ingest.submit import Message
from weft.model.command import Command
from weft.model.device import Device
from weft.model.ids import DeviceId
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import NewDevice

EUI = "0101010101010101"
PROBE = DeviceId("probe-1")


class ChirpStack:
    """Its queue, as the REST API of version 4 answers; `statuses` are given out first."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.queue: list[dict[str, Any]] = []

    def answer(self, asked: Asked) -> Reply:
        assert (asked.method, asked.path) == ("POST", f"/api/devices/{EUI}/queue")
        assert asked.headers["grpc-metadata-authorization"] == "Bearer the-key"
        if self.statuses:
            return as_json({"code": 14, "message": "no"}, self.statuses.pop(0))
        self.queue.append(asked.json()["queueItem"])
        return as_json({"id": f"q-{len(self.queue)}"})


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_TEST_CHIRPSTACK", "the-key")


def setting(side: FarSide, *, confirmed: bool = True) -> str:
    return (
        f'lorawan.chirpstack={{url="{side.url}", key="env:WEFT_TEST_CHIRPSTACK", '
        f'allow=["127.0.0.1/32"], confirmed={str(confirmed).lower()}}}'
    )


async def furnish(weft: Weft) -> None:
    await weft.identity.devices.create(MACHINE, NewDevice("chirpstack"))
    child = NewDevice(PROBE, gateway="chirpstack", alias=EUI)
    await weft.identity.devices.create(MACHINE, child)


async def ask(weft: Weft, input: dict[str, Any] | None = None) -> Command:  # noqa: A002  as `send` has it
    return await weft.path.commands.send(MACHINE, PROBE, "set_interval", input or {"minutes": 5})


async def state(weft: Weft, command: Command) -> Command:
    return await weft.path.commands.get(MAIN, PROBE, command.request_id)


async def hear(weft: Weft, event: str, **said: Any) -> None:
    """Have the network server tell of an event of its queue."""
    server: Device = weft.identity.devices.get(MAIN, "chirpstack")
    principal = Principal(MAIN, PrincipalKind.DEVICE, server.device_id, server.uid)
    message = Message(f"$lorawan/chirpstack/{event}", msgspec.json.encode(said))
    await weft.path.ingest.send(principal, message, address="test")


async def test_a_command_is_queued_and_ends_when_the_device_acknowledges(tmp_path: Path) -> None:
    """Also when Weft was restarted in between: the queue's own id is on disk."""
    chirpstack = ChirpStack()
    async with AsyncExitStack() as stack:
        side = await stack.enter_async_context(far_side(chirpstack.answer))
        async with served(tmp_path, setting(side)) as weft:
            await furnish(weft)
            command = await ask(weft)

            async def is_delivered() -> bool:
                return (await state(weft, command)).state == "delivered"

            await eventually(is_delivered)
        expected = {
            "devEui": EUI,
            "confirmed": True,
            "fPort": 10,
            "object": {"command": "set_interval", "minutes": 5},
        }
        assert chirpstack.queue == [expected]
        async with served(tmp_path, setting(side)) as weft:
            await hear(weft, "txack", queueItemId="q-1")
            assert not (await state(weft, command)).has_ended
            await hear(weft, "ack", queueItemId="q-1", acknowledged=True)
            ended = await state(weft, command)
            assert (ended.state, ended.ended_by) == ("succeeded", "device")
            await weft.business.downlinks.send_due()
            assert weft.business.downlinks.find("q-1") is None
    assert len(chirpstack.queue) == 1


async def test_bytes_go_down_as_they_are(tmp_path: Path) -> None:
    """Unconfirmed, it ends when it was sent."""
    chirpstack = ChirpStack()
    async with (
        far_side(chirpstack.answer) as side,
        served(tmp_path, setting(side, confirmed=False)) as weft,
    ):
        await furnish(weft)
        command = await ask(weft, {"data": "AQI=", "f_port": 7})
        await eventually(lambda: _first(chirpstack))
        item = {"devEui": EUI, "confirmed": False, "fPort": 7, "data": "AQI="}
        assert chirpstack.queue == [item]

        async def is_sent() -> bool:
            await hear(weft, "txack", queueItemId="q-1")
            return (await state(weft, command)).state == "succeeded"

        await eventually(is_sent)


async def _first(chirpstack: ChirpStack) -> bool:
    return bool(chirpstack.queue)


async def test_a_server_that_is_down_is_asked_again_and_one_that_refuses_is_not(
    tmp_path: Path,
) -> None:
    """503: the command waits, and is tried again; 400: it waits for its time to be over."""
    chirpstack = ChirpStack(503, 400)
    async with far_side(chirpstack.answer) as side, served(tmp_path, setting(side)) as weft:
        await furnish(weft)
        command = await ask(weft)

        async def has_asked_twice() -> bool:
            await weft.business.downlinks.send_due()
            return not chirpstack.statuses

        await eventually(has_asked_twice)
        await weft.business.downlinks.send_due()
        assert (await state(weft, command)).state == "sent"
        assert chirpstack.queue == []


async def test_a_key_in_the_settings_keeps_weft_from_starting(tmp_path: Path) -> None:
    """Settings name secrets and never hold them."""
    table = 'lorawan.chirpstack={url="https://x.example", key="eyJ0eXAi"}'
    with pytest.raises(ConfigurationError) as caught:
        async with served(tmp_path, table):
            pytest.fail("it must not get here")
    assert "lorawan.chirpstack" in caught.value.detail
    assert "eyJ0eXAi" not in json.dumps([caught.value.detail, caught.value.remedy])

"""Downlinks: a command goes into its server's queue once, and ends with its acknowledgement."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.app.support import eventually, served
from tests.connectors.farside import Asked, FarSide, Reply, as_json, far_side
from tests.connectors.things_stack import ThingsStack

from weft.app.compose import MACHINE, MAIN, Weft
from weft.connectors.lorawan_servers import correlation_id
from weft.errors import ConfigurationError, WeftError
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
    """503: the command waits, and is tried again; 400: it is rejected, with the reason."""
    chirpstack = ChirpStack(503, 400)
    async with far_side(chirpstack.answer) as side, served(tmp_path, setting(side)) as weft:
        await furnish(weft)
        command = await ask(weft)
        await reaches(weft, command, "rejected")
        ended = await state(weft, command)
        assert ended.ended_by == "weft"
        assert "answered 400" in ended.error
        assert chirpstack.queue == chirpstack.statuses == []


async def test_a_key_in_the_settings_keeps_weft_from_starting(tmp_path: Path) -> None:
    """Settings name secrets and never hold them."""
    table = 'lorawan.chirpstack={url="https://x.example", key="eyJ0eXAi"}'
    with pytest.raises(ConfigurationError) as caught:
        async with served(tmp_path, table):
            pytest.fail("it must not get here")
    assert "lorawan.chirpstack" in caught.value.detail
    assert "eyJ0eXAi" not in json.dumps([caught.value.detail, caught.value.remedy])


# --- The Things Stack ---


def tts(side: FarSide, *, confirmed: bool = True) -> str:
    return (
        f'lorawan.tts={{server="tts", url="{side.url}", key="env:WEFT_TEST_CHIRPSTACK", '
        f'webhook="weft", allow=["127.0.0.1/32"], timeout_s=0.5, '
        f"confirmed={str(confirmed).lower()}}}"
    )


async def furnish_tts(weft: Weft, *, hears: bool = True) -> None:
    await weft.identity.devices.create(MACHINE, NewDevice("tts"))
    await weft.identity.devices.create(MACHINE, NewDevice(PROBE, gateway="tts", alias=EUI))
    if hears:
        await hear_tts(weft, UPLINK)


async def hear_tts(weft: Weft, said: dict[str, Any]) -> None:
    server: Device = weft.identity.devices.get(MAIN, "tts")
    principal = Principal(MAIN, PrincipalKind.DEVICE, server.device_id, server.uid)
    message = Message("$lorawan/tts", msgspec.json.encode(said))
    await weft.path.ingest.send(principal, message, address="test")


UPLINK = {
    "end_device_ids": {
        "device_id": "dev1",
        "application_ids": {"application_id": "app1"},
        "dev_eui": EUI,
    },
    "uplink_message": {"f_port": 1, "frm_payload": "AQI=", "decoded_payload": {"t": 21.5}},
}


async def reaches(weft: Weft, command: Command, wanted: str) -> None:
    """Send what is due until a command has come to a state."""

    async def has_come() -> bool:
        await weft.business.downlinks.send_due()
        return (await state(weft, command)).state == wanted

    await eventually(has_come)


async def test_a_command_waits_for_the_first_uplink_and_ends_with_its_ack(tmp_path: Path) -> None:
    """The uplink says what The Things Stack calls the device; a restart forgets nothing."""
    stack = ThingsStack()
    async with far_side(stack.answer) as side:
        async with served(tmp_path, tts(side)) as weft:
            await furnish_tts(weft, hears=False)
            command = await ask(weft)
            await weft.business.downlinks.send_due()
            assert stack.pushes == 0
            await hear_tts(weft, UPLINK)
            await reaches(weft, command, "delivered")
            await hear_tts(weft, stack.said("downlink_queued"))
            await hear_tts(weft, stack.said("downlink_sent"))
            assert (await state(weft, command)).state == "delivered"
        async with served(tmp_path, tts(side)) as weft:
            await hear_tts(weft, stack.said("downlink_ack"))
            ended = await state(weft, command)
            assert (ended.state, ended.ended_by) == ("succeeded", "device")
            again = await ask(weft, {"minutes": 6})
            await reaches(weft, again, "delivered")
            failed = {"downlink_failed": {"downlink": stack.queue[1], "error": {"name": "x"}}}
            await hear_tts(weft, {"end_device_ids": {"device_id": "dev1"}, **failed})
            assert (await state(weft, again)).state == "failed"
    assert stack.pushes == 2


@pytest.mark.parametrize("fault", [429, 503, "lose"])
async def test_one_downlink_is_queued_for_a_command_whatever_is_answered(
    tmp_path: Path, fault: int | str
) -> None:
    """Too many requests, a server that fails, an answer that was lost."""
    stack = ThingsStack(fault)
    async with far_side(stack.answer) as side, served(tmp_path, tts(side)) as weft:
        await furnish_tts(weft)
        command = await ask(weft)
        await reaches(weft, command, "delivered")
    assert len(stack.queue) == 1


async def test_an_event_proves_that_a_lost_downlink_arrived(tmp_path: Path) -> None:
    """Its queue cannot be read, but it tells by itself: nothing is sent a second time."""
    stack = ThingsStack("lose", may_read=False)
    async with far_side(stack.answer) as side, served(tmp_path, tts(side)) as weft:
        await furnish_tts(weft)
        command = await ask(weft)

        async def is_noted() -> bool:
            return bool(stack.queue)

        await eventually(is_noted)
        await hear_tts(weft, stack.said("downlink_queued"))

        async def is_delivered() -> bool:
            return (await state(weft, command)).state == "delivered"

        await eventually(is_delivered)
        await weft.business.downlinks.send_due()
    assert (stack.pushes, len(stack.queue)) == (1, 1)


async def test_a_server_that_asks_to_wait_is_left_alone(tmp_path: Path) -> None:
    """Other commands come meanwhile, and do not wake it: the run goes by its Retry-After."""
    stack = ThingsStack(429)
    async with far_side(stack.answer) as side, served(tmp_path, tts(side)) as weft:
        await furnish_tts(weft)
        first = await ask(weft)

        async def has_asked() -> bool:
            return stack.pushes == 1

        await eventually(has_asked)
        for minutes in range(5):
            await ask(weft, {"minutes": minutes})
        await weft.path.commands.checkpoint()
        assert stack.pushes == 1
        assert (await state(weft, first)).state == "sent"


async def test_a_foreign_ack_ends_no_command(tmp_path: Path) -> None:
    """Another network server, with a correlation id that it has seen somewhere."""
    stack = ThingsStack()
    async with far_side(stack.answer) as side, served(tmp_path, tts(side)) as weft:
        await furnish_tts(weft)
        command = await ask(weft)
        await reaches(weft, command, "delivered")
        other = await weft.identity.devices.create(MACHINE, NewDevice("other"))
        principal = Principal(MAIN, PrincipalKind.DEVICE, other.device_id, other.uid)
        body = msgspec.json.encode(stack.said("downlink_ack"))
        with pytest.raises(WeftError):
            await weft.path.ingest.send(principal, Message("$lorawan/tts", body), address="test")
        assert (await state(weft, command)).state == "delivered"


async def test_the_note_of_a_command_that_ended_as_weft_stopped_is_dropped(tmp_path: Path) -> None:
    stack = ThingsStack()
    async with far_side(stack.answer) as side:
        async with served(tmp_path, tts(side)) as weft:
            await furnish_tts(weft)
            command = await ask(weft)
            await reaches(weft, command, "delivered")
            await hear_tts(weft, stack.said("downlink_ack"))
        async with served(tmp_path, tts(side)) as weft:
            queue_id = correlation_id(command)

            async def is_dropped() -> bool:
                return weft.business.downlinks.find(queue_id) is None

            await eventually(is_dropped)

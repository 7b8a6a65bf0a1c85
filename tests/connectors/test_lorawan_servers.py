"""LoRaWAN servers: what is asked of each, and that nothing is asked twice without need."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from tests.connectors.farside import FarSide, far_side
from tests.connectors.things_stack import ThingsStack
from tests.ingest.dialects.test_lorawan import PROBE

from weft.backends.memory.records import MemoryRecords
from weft.connectors.credentials import Credentials
from weft.connectors.lorawan_queue import DownlinkQueue
from weft.connectors.lorawan_servers import (
    DownlinkSettings,
    Line,
    correlation_id,
    make_server,
    require_settings,
)
from weft.errors import ConfigurationError, ConnectorError
from weft.ingest.dialects.lorawan_words import Address
from weft.model.command import Command, CommandState
from weft.model.ids import DeviceUid, TenantId
from weft.security.outbound import OutboundClient, OutboundSettings

ADDRESS = Address("app1", "dev1")
COMMAND = Command(
    tenant=PROBE.tenant,
    device_id=PROBE.device_id,
    device_uid=PROBE.uid,
    request_id="r-1",
    name="set_interval",
    input={"minutes": 5},
    sender="weft",
    created_at=0,
    expires_at=2**62,
    state=CommandState.SENT,
)


class Bench:
    """A server of ours towards a far side, and what it has noted."""

    def __init__(self, side: FarSide, settings: DownlinkSettings) -> None:
        self.queue = DownlinkQueue(MemoryRecords())
        self.outbound = OutboundClient(OutboundSettings(allow=("127.0.0.1/32",)))
        self.server = make_server(Line(settings, self.outbound, Credentials()), self.queue)
        self.side = side

    async def put(self, command: Command = COMMAND) -> bool:
        return await self.server.put(PROBE, command)


@asynccontextmanager
async def bench(stack: ThingsStack, **changes: Any) -> AsyncIterator[Bench]:
    async with far_side(stack.answer) as side:
        settings = DownlinkSettings(
            side.url, "env:WEFT_TEST_TTS", "tts", webhook="weft", timeout_s=0.5
        )
        here = Bench(side, replace(settings, **changes))
        await here.queue.learn(PROBE, ADDRESS)
        try:
            yield here
        finally:
            await here.outbound.close()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_TEST_TTS", "the-key")


async def test_a_command_is_pushed_as_the_contract_has_it() -> None:
    """An object for the formatter, or bytes as they are; a confirmed one is tried three times."""
    stack = ThingsStack()
    async with bench(stack) as here:
        assert await here.put()
        assert await here.put(
            replace(COMMAND, request_id="r-2", input={"data": "AQI=", "f_port": 7})
        )
    common = {"confirmed": True, "priority": "NORMAL", "confirmed_retry": {"max_attempts": 3}}
    first = {"f_port": 10, "decoded_payload": {"command": "set_interval", "minutes": 5}}
    second = {"f_port": 7, "frm_payload": "AQI="}
    ids = [one.pop("correlation_ids") for one in stack.queue]
    assert stack.queue == [common | first, common | second]
    assert ids[0] == [correlation_id(COMMAND)]
    assert stack.looks == 0


async def test_an_unconfirmed_one_says_nothing_of_attempts() -> None:
    stack = ThingsStack()
    async with bench(stack, confirmed=False) as here:
        await here.put()
    [item] = stack.queue
    assert item["confirmed"] is False
    assert "confirmed_retry" not in item


async def test_before_the_first_uplink_nothing_can_be_sent() -> None:
    """Nobody has told what The Things Stack calls the device."""
    stack = ThingsStack()
    async with bench(stack) as here:
        await here.queue.forget_device(PROBE)
        assert not await here.put()
    assert stack.pushes == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 401, 403])
async def test_what_may_pass_is_tried_again_and_queued_once(status: int) -> None:
    stack = ThingsStack(status)
    async with bench(stack) as here:
        with pytest.raises(ConnectorError) as failed:
            await here.put()
        assert not failed.value.permanent
        assert await here.put()
    assert len(stack.queue) == 1


async def test_a_request_that_is_refused_is_refused_for_good() -> None:
    """A port that LoRaWAN does not have: no other try can help."""
    async with bench(ThingsStack()) as here:
        with pytest.raises(ConnectorError) as refused:
            await here.put(replace(COMMAND, input={"data": "AQI=", "f_port": 224}))
        assert refused.value.permanent


async def test_an_answer_that_was_lost_is_looked_for_before_anything_is_sent_again() -> None:
    """The queue shows the downlink under its correlation id: one push, one downlink."""
    stack = ThingsStack("lose")
    async with bench(stack) as here:
        with pytest.raises(ConnectorError):
            await here.put()
        noted = here.queue.find(correlation_id(COMMAND))
        assert noted is not None
        assert not noted.placed
        assert await here.put()
        noted = here.queue.find(correlation_id(COMMAND))
        assert noted is not None
        assert noted.placed
    assert (stack.pushes, stack.looks, len(stack.queue)) == (1, 1, 1)


async def test_where_the_key_may_not_look_a_lost_answer_costs_a_second_downlink() -> None:
    """The contract has no request that may be made twice. It is said in the how-to."""
    stack = ThingsStack("lose", may_read=False)
    async with bench(stack) as here:
        with pytest.raises(ConnectorError):
            await here.put()
        assert await here.put()
    assert len(stack.queue) == 2
    assert stack.queue[0] == stack.queue[1]


async def test_nothing_is_sent_while_the_queue_cannot_be_looked_at() -> None:
    """A server that fails is asked again later, not sent to at a guess."""
    stack = ThingsStack("lose")
    async with bench(stack) as here:
        with pytest.raises(ConnectorError):
            await here.put()
        stack.look_faults = [503]
        with pytest.raises(ConnectorError) as failed:
            await here.put()
        assert not failed.value.permanent
        assert await here.put()
    assert (stack.pushes, len(stack.queue)) == (1, 1)


async def test_ss_3_a_name_cannot_leave_its_place_in_the_path() -> None:
    """Whatever the webhook is called in the settings, it stays one part of the path."""
    stack = ThingsStack()
    async with bench(stack, webhook="../../x?y=") as here:
        with pytest.raises(ConnectorError):
            await here.put()
        [asked] = here.side.asked
    parts = asked.target.split("/")
    assert parts[1:6] == ["api", "v3", "as", "applications", "app1"]
    assert parts[6:] == ["webhooks", "..%2F..%2Fx%3Fy%3D", "devices", "dev1", "down", "push"]


def test_a_correlation_id_is_one_commands_alone_and_fits() -> None:
    """The contract takes 100 characters; another tenant's or device's command has another."""
    others = [
        replace(COMMAND, tenant=TenantId("globex")),
        replace(COMMAND, device_uid=DeviceUid("other")),
        replace(COMMAND, request_id="r-2"),
    ]
    ids = {correlation_id(one) for one in (COMMAND, *others)}
    assert len(ids) == 4
    assert all(len(one) <= 100 for one in ids)
    assert correlation_id(replace(COMMAND, state=CommandState.DELIVERED)) in ids


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"server": "tts"}, "webhook"),
        ({"attempts": 0}, "attempts"),
        ({"attempts": 101}, "attempts"),
        ({"silence_s": 0.0}, "silence_s"),
        ({"key": "NNSXS.plain"}, "key"),
        ({"url": ""}, "url"),
        ({"url": "", "key": "", "webhook": "weft"}, "url"),
    ],
)
def test_a_table_that_cannot_work_keeps_weft_from_starting(
    changes: dict[str, Any], named: str
) -> None:
    settings = DownlinkSettings("https://x.example", "env:KEY")
    require_settings("net", settings)
    with pytest.raises(ConfigurationError) as refused:
        require_settings("net", replace(settings, **changes))
    assert f"[lorawan.net] {named}" in refused.value.detail
    assert "NNSXS" not in json.dumps([refused.value.detail, refused.value.remedy])


def test_a_table_may_speak_of_silence_alone() -> None:
    settings = DownlinkSettings(silence_s=7200)
    require_settings("net", settings)
    assert not settings.sends

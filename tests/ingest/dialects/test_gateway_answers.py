"""Who is there behind a gateway, by the gateway's word and nobody else's."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.app.support import principal_of, served

from weft.app.compose import MACHINE, MAIN, Weft
from weft.errors import Invalid
from weft.ingest.dialects.desk import Question, Replies
from weft.ingest.dialects.gateway import NAME
from weft.ingest.dialects.gateway_answers import LEFT, GatewayAnswers, Given
from weft.model.device import Device
from weft.model.ids import DeviceId
from weft.registry.devices import DevicePatch, NewDevice
from weft.security.connections import Connection

ROOM = DeviceId("room-1")


class Hall:
    """A gateway, its room, and what the answerer makes of their questions."""

    def __init__(self, weft: Weft, gateway: Device, room: Device) -> None:
        self.weft, self.gateway, self.room = weft, gateway, room
        self.presence = weft.identity.presence
        replies = Replies(NAME, weft.path.ingest, lambda _tenant, _topic: True)
        given = Given(weft.identity.devices, self.presence, replies)
        self.answers = GatewayAnswers(given)

    async def ask(self, what: str, asker: Device | None = None) -> None:
        principal = principal_of(asker or self.gateway)
        await self.answers.answer(Question(principal, ROOM, what, b"", 1, 0))

    @property
    def room_is_there(self) -> bool:
        return self.presence.is_connected(self.room.uid)

    async def told(self) -> list[tuple[str, object]]:
        """What was said to the gateway."""
        return [
            (envelope.route.topic, json.loads(envelope.payload))
            async for batch in self.weft.stores.journal.read(0)
            for envelope in batch.envelopes
        ]


@asynccontextmanager
async def hall(folder: Path) -> AsyncIterator[Hall]:
    async with served(folder) as weft:
        devices = weft.identity.devices
        gateway = await devices.create(MACHINE, NewDevice("gw-1"))
        connection = Connection(principal_of(gateway), "mqtt", "192.0.2.7:5", lambda _why: None)
        weft.identity.connections.register(connection)
        new = NewDevice(ROOM, gateway="gw-1", alias="Room 1")
        yield Hall(weft, gateway, await devices.create(MACHINE, new))


async def test_a_device_comes_and_leaves_by_its_gateways_word(tmp_path: Path) -> None:
    """Each connect is answered with the id; saying it twice makes no second spell."""
    async with hall(tmp_path) as here:
        await here.ask("connect")
        await here.ask("connect")
        assert here.room_is_there
        answer = ("devices/gw-1/dialects/gateway/devices", {"device": "Room 1", "id": ROOM})
        assert await here.told() == [answer, answer]
        await here.ask("disconnect")
        await here.ask("disconnect")
        assert not here.room_is_there
        (spell,) = await here.presence.list(MAIN, here.room.uid)
        assert spell.value.reason == LEFT


async def test_id_4_nobody_but_its_gateway_says_that_a_device_is_there(tmp_path: Path) -> None:
    """Neither another gateway, nor the device itself, nor one that it belonged to before."""
    async with hall(tmp_path) as here:
        devices = here.weft.identity.devices
        other = await devices.create(MACHINE, NewDevice("gw-2"))
        for asker in (other, here.room):
            with pytest.raises(Invalid):
                await here.ask("connect", asker)
        await devices.patch(MACHINE, ROOM, DevicePatch(gateway="gw-2"))
        with pytest.raises(Invalid):
            await here.ask("connect")
        assert not here.room_is_there


async def test_who_was_deleted_meanwhile_is_not_there(tmp_path: Path) -> None:
    """A namesake made since is somebody else: it has said nothing."""
    async with hall(tmp_path) as here:
        await here.ask("connect", replace(here.gateway, uid="another"))
        await here.weft.identity.devices.delete(MACHINE, ROOM)
        await here.ask("connect")
        assert not here.room_is_there


async def test_what_is_no_word_of_a_gateways_is_told(tmp_path: Path) -> None:
    """And what changes is heard in the device's own topics, so nothing is said of it here."""
    async with hall(tmp_path) as here:
        with pytest.raises(Invalid, match="dance"):
            await here.ask("dance")
        await here.answers.desired_changed(MAIN, ROOM)
        await here.answers.commands_changed(MAIN, ROOM)
        assert await here.told() == []

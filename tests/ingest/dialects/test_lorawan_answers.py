"""What network servers say besides what devices do: presence, names, what has arrived."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.app.support import eventually, principal_of, served
from tests.ingest.dialects.test_lorawan import CHIRPSTACK_UP, EUI, without

from weft.app.compose import MACHINE, MAIN, Weft
from weft.errors import Invalid, PayloadInvalid, WeftError
from weft.ingest.dialects.desk import Question
from weft.ingest.dialects.lorawan_answers import Given, LoRaWanAnswers
from weft.ingest.dialects.lorawan_words import Address
from weft.ingest.submit import Message
from weft.model.device import Device
from weft.model.ids import DeviceId
from weft.registry.devices import DevicePatch, NewDevice

PROBE = DeviceId("probe-1")


class Hall:
    """A network server and its device in a whole Weft."""

    def __init__(self, weft: Weft, server: Device, probe: Device) -> None:
        self.weft, self.server, self.probe = weft, server, probe
        self.learnt: list[tuple[str, str, Address]] = []
        self.placed: list[tuple[str, str]] = []
        self.answers = LoRaWanAnswers(Given(weft.identity.devices, weft.identity.silences, {}))
        self.answers.tell_downlinks_with(self._learn, self._place)

    async def _learn(self, gateway: Device, child: Device, address: Address) -> None:
        self.learnt.append((gateway.device_id, child.device_id, address))

    async def _place(self, _tenant: str, device_id: str, queue_id: str) -> None:
        self.placed.append((device_id, queue_id))

    async def ask(self, what: str, payload: bytes = b"{}", asker: Device | None = None) -> None:
        at = self.weft.clock.now()
        question = Question(principal_of(asker or self.server), PROBE, what, payload, 1, at)
        await self.answers.answer(question)

    async def hear(self, event: str, said: dict[str, Any]) -> None:
        message = Message(f"$lorawan/chirpstack/{event}", json.dumps(said).encode())
        await self.weft.path.ingest.send(principal_of(self.server), message, address="test")

    def is_there(self) -> bool:
        return self.weft.identity.presence.is_connected(self.probe.uid)

    async def spells(self) -> list[tuple[str, str]]:
        found = await self.weft.identity.presence.list(MAIN, self.probe.uid)
        return [(one.value.protocol, one.value.reason) for one in found]


@asynccontextmanager
async def hall(folder: Path, *assignments: str) -> AsyncIterator[Hall]:
    async with served(folder, *assignments) as weft:
        devices = weft.identity.devices
        server = await devices.create(MACHINE, NewDevice("net"))
        new = NewDevice(PROBE, gateway="net", alias=EUI)
        yield Hall(weft, server, await devices.create(MACHINE, new))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("up", CHIRPSTACK_UP),
        ("up", without(CHIRPSTACK_UP, "object", "data")),
        ("join", without(CHIRPSTACK_UP, "object", "data")),
        ("status", without(CHIRPSTACK_UP, "object") | {"margin": 10}),
    ],
)
async def test_an_uplink_or_a_join_says_that_a_device_is_there(
    tmp_path: Path, event: str, said: dict[str, Any]
) -> None:
    """Its gateway has no connection; the spell ends with a silence that the settings allow."""
    async with hall(tmp_path, "lorawan.net={silence_s=1.5}") as here:
        assert not here.is_there()
        await here.hear(event, said)

        async def is_there() -> bool:
            return here.is_there()

        await eventually(is_there)

        async def is_gone() -> bool:
            return not here.is_there()

        await eventually(is_gone)
        assert await here.spells() == [("lorawan", "nothing was heard of it for 1.5 s")]


async def test_what_was_refused_says_nothing(tmp_path: Path) -> None:
    """Bytes that nobody can read are in the inbox, and their sender is not there."""
    async with hall(tmp_path) as here:
        with pytest.raises(WeftError):
            await here.hear("up", without(CHIRPSTACK_UP, "object"))
        assert not here.is_there()


async def test_a_downlink_that_was_sent_says_nothing_of_its_device(tmp_path: Path) -> None:
    """Only the network has done something."""
    async with hall(tmp_path) as here:
        await here.hear("txack", {"queueItemId": "q-9"})
        assert not here.is_there()


async def test_words_are_handed_on(tmp_path: Path) -> None:
    async with hall(tmp_path) as here:
        await here.ask("heard")
        assert here.is_there()
        await here.ask("address", b'{"application": "app1", "device": "dev1"}')
        assert here.learnt == [("net", PROBE, Address("app1", "dev1"))]
        await here.ask("placed", b'{"queue_id": "weft:1"}')
        assert here.placed == [(PROBE, "weft:1")]
        acts = [here.answers.is_act(one, b"") for one in ("address", "placed", "heard")]
        assert acts == [True, True, False]
        for what, payload in (("address", b"[]"), ("placed", b"{")):
            with pytest.raises(PayloadInvalid):
                await here.ask(what, payload)
        with pytest.raises(Invalid):
            await here.ask("other")
        await here.answers.desired_changed(MAIN, PROBE)
        await here.answers.commands_changed(MAIN, PROBE)


async def test_id_4_only_the_word_of_a_devices_own_gateway_counts(tmp_path: Path) -> None:
    """Neither another gateway's, nor its own, nor that of one that it belonged to before."""
    async with hall(tmp_path) as here:
        devices = here.weft.identity.devices
        other = await devices.create(MACHINE, NewDevice("net-2"))
        for asker in (other, here.probe):
            with pytest.raises(Invalid):
                await here.ask("heard", asker=asker)
        await devices.patch(MACHINE, PROBE, DevicePatch(gateway="net-2"))
        with pytest.raises(Invalid):
            await here.ask("heard")
        await devices.delete(MACHINE, PROBE)
        await here.ask("heard")
        assert not here.is_there()

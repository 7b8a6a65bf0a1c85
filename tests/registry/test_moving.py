"""Moving: a gateway changes hands with what is behind it, all of it or nothing."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.registry.batch import PEER
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER
from tests.registry.test_claiming import Market

from weft.errors import AlreadyExists, Conflict, NotFound, QuotaExceeded
from weft.model.device import Lifecycle
from weft.registry import moving as module
from weft.registry.claiming import Claimed, OwnerClaim
from weft.registry.devices import DevicePatch, NewDevice
from weft.registry.tenants import Quotas


class Sold(Market):
    """A gateway with two rooms behind it, one of which connects with a secret of its own too."""

    async def built(self) -> str:
        """Make them; return the room's token."""
        await self.devices.create(ALICE, NewDevice(device_id="gate", adds_children=True))
        room = await self.devices.create(ALICE, NewDevice(device_id="room-1", gateway="gate"))
        await self.devices.create(
            ALICE, NewDevice(device_id="room-2", gateway="gate", alias="Room 2", label="Cellar")
        )
        return (await self.credentials.issue_secret(ALICE, room)).token

    async def claimed(self, *, device_id: str | None = None, prefix: str = "") -> Claimed:
        code = (await self.claiming.make_code(ALICE, "gate")).code
        shown = OwnerClaim("gate", code, device_id=device_id, prefix=prefix)
        return await self.claiming.claim(MALLORY, shown, "a")

    def behind(self, name: str = "gate") -> list[tuple[str, str]]:
        gateway = self.devices.get(OTHER, name)
        return [(one.device_id, one.alias) for one in self.devices.children_of(gateway)]


async def test_a_gateway_moves_with_what_is_behind_it(tmp_path: Path) -> None:
    """What it calls them stays, their secrets go along, and where they were is nothing left."""
    market = Sold(tmp_path)
    token = await market.built()
    gone = market.devices.children_of(market.devices.get(MAIN, "gate"))
    done = await market.claimed()
    assert (done.children, done.secrets) == (2, 1)
    assert done.device.adds_children
    assert market.behind() == [("room-2", "Room 2"), ("room-1", "room-1")]
    assert market.devices.get(OTHER, "room-2").label == "Cellar"
    assert market.door.by_bearer(token, PEER).tenant == OTHER
    assert await market.devices.list(MAIN) == []
    assert not any(market.policy.is_active(MAIN, one.uid) for one in gone)
    assert not {one.uid for one in gone} & {one.uid for one in await market.devices.list(OTHER)}
    told = [(action, target) for _, action, target, _ in market.audit.entries]
    assert {("device.delete", f"device:{name}") for name in ("gate", "room-1", "room-2")} < {*told}
    assert market.audit.entries[-1][3]["children"] == 2
    rest = await market.restarted()
    assert [one.device_id for one in await rest.devices.list(OTHER)] == ["gate", "room-1", "room-2"]


async def test_one_behind_a_gateway_is_not_claimed_by_itself(tmp_path: Path) -> None:
    """Neither released nor, with a code from before, claimed; freed of the gateway it is."""
    market = Sold(tmp_path)
    code, _ = await market.offer("pump-7")
    await market.built()
    with pytest.raises(Conflict, match="behind the gateway 'gate'"):
        await market.claiming.make_code(ALICE, "room-1")
    await market.devices.patch(ALICE, "pump-7", DevicePatch(gateway="gate"))
    with pytest.raises(Conflict, match="behind the gateway 'gate'"):
        await market.take(code)
    assert market.devices.find(OTHER, "pump-7") is None
    await market.devices.patch(ALICE, "pump-7", DevicePatch(gateway=None))
    await market.take(code)
    assert market.devices.find(OTHER, "pump-7") is not None


async def test_what_was_put_out_of_use_does_not_come_in_by_its_gateway(tmp_path: Path) -> None:
    """A revoked device would be an active one elsewhere: it stays where it is, as it is."""
    market = Sold(tmp_path)
    await market.built()
    await market.devices.move(ALICE, "room-1", Lifecycle.REVOKED)
    assert (await market.claimed()).children == 1
    assert market.behind() == [("room-2", "Room 2")]
    assert market.devices.get(MAIN, "room-1").lifecycle is Lifecycle.REVOKED


async def test_names_that_are_taken_move_nothing_and_a_prefix_helps(tmp_path: Path) -> None:
    """All or nothing: the owner is told which, and the code stays good."""
    market = Sold(tmp_path)
    await market.built()
    await market.devices.create(MALLORY, NewDevice(device_id="room-1"))
    with pytest.raises(AlreadyExists, match="'room-1'") as refused:
        await market.claimed()
    assert "--prefix" in refused.value.remedy
    assert [one.device_id for one in await market.devices.list(OTHER)] == ["room-1"]
    assert len(await market.devices.list(MAIN)) == 3
    done = await market.claimed(device_id="gate-north", prefix="north-")
    assert done.device.device_id == "gate-north"
    assert market.behind("gate-north") == [("north-room-2", "Room 2"), ("north-room-1", "room-1")]


async def test_there_is_room_for_all_or_for_none(tmp_path: Path) -> None:
    """The quota counts what is behind the gateway too."""
    market = Sold(tmp_path)
    await market.built()
    await market.tenants.create(MALLORY, OTHER, quotas=Quotas(devices=2))
    with pytest.raises(QuotaExceeded):
        await market.claimed()
    assert len(await market.devices.list(MAIN)) == 3


async def test_too_many_for_one_step_are_told_to_who_releases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network server with a whole city behind it is not moved in one transaction."""
    monkeypatch.setattr(module, "CHILDREN_MAX", 1)
    market = Sold(tmp_path)
    await market.built()
    with pytest.raises(Conflict, match="2 devices are behind it") as refused:
        await market.claiming.make_code(ALICE, "gate")
    assert refused.value.remedy


async def test_a_device_whose_gateway_is_gone_moves_by_itself(tmp_path: Path) -> None:
    """Nobody speaks for it any more."""
    market = Sold(tmp_path)
    await market.built()
    await market.devices.delete(ALICE, "gate")
    code = (await market.claiming.make_code(ALICE, "room-1")).code
    await market.take(code, serial="room-1")
    with pytest.raises(NotFound):
        market.devices.get(MAIN, "room-1")


@given(
    states=st.lists(st.sampled_from([*Lifecycle]), max_size=6),
    taken=st.sets(st.integers(0, 5), max_size=2),
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_device_is_ever_in_both_tenants_or_in_none(
    tmp_path: Path, states: list[Lifecycle], taken: set[int]
) -> None:
    """Whatever state they are in, and whatever is there: the number of devices is the same."""
    market = Sold(tmp_path)
    await market.devices.create(ALICE, NewDevice(device_id="gate"))
    for number, state in enumerate(states):
        name = f"room-{number}"
        first = state if state is Lifecycle.PENDING else Lifecycle.ACTIVE
        await market.devices.create(
            ALICE, NewDevice(device_id=name, gateway="gate", lifecycle=first)
        )
        if state is not first:
            await market.devices.move(ALICE, name, state)
    for number in taken:
        await market.devices.create(MALLORY, NewDevice(device_id=f"room-{number}"))
    movable = {n for n, state in enumerate(states) if state not in module.OUT}
    if movable & taken:
        with pytest.raises(AlreadyExists):
            await market.claimed()
    else:
        assert (await market.claimed()).children == len(movable)
    count = len(await market.devices.list(MAIN)) + len(await market.devices.list(OTHER))
    assert count == 1 + len(states) + len(taken)

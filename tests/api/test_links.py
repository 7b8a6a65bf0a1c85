"""Links: a device that waits over HTTP is connected, is woken, and is cut."""

import asyncio

import pytest
from tests.api.support import MAIN, World

from weft.api.links import POLL, STREAM, Links
from weft.api.operation import Call
from weft.errors import QuotaExceeded, Unauthenticated, Unavailable
from weft.model.ids import DeviceId
from weft.model.principal import Principal, PrincipalKind
from weft.security.connections import Connections
from weft.supervision import FakeClock

PUMP = Principal(MAIN, PrincipalKind.DEVICE, "pump-7", "uid-7")
CALL = Call(PUMP, "127.0.0.1", "r", {}, credential_id="c-1")
DEVICE = DeviceId("pump-7")


def made(*, linger_s: float = 60.0) -> tuple[Links, Connections]:
    connections = Connections(FakeClock())
    return Links(connections, per_principal=2, linger_s=linger_s), connections


async def test_a_wait_ends_with_the_change_and_not_before() -> None:
    links, _ = made()
    ready: list[int] = []
    waiting = links.wait(CALL, DEVICE, lambda: bool(ready), wait_s=30)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(waiting)
        await asyncio.sleep(0)
        links.changed(MAIN, DeviceId("pump-8"))
        links.changed(MAIN, DEVICE)  # of something else
        await asyncio.sleep(0)
        assert not task.done()
        ready.append(1)
        links.changed(MAIN, DEVICE)


async def test_a_wait_ends_when_time_alone_makes_it_ready() -> None:
    """A pause is over while the device waits: it need not ask again to be told."""
    links, _ = made()
    pauses = [0.001, 0.001]
    async with asyncio.timeout(10):
        await links.wait(
            CALL,
            DEVICE,
            lambda: not pauses,
            wait_s=30,
            ready_in_s=pauses.pop,
        )
    assert not pauses


async def test_between_two_polls_a_device_has_not_been_away() -> None:
    """One connection for all of them, also in its history; it ends when nobody asks again."""
    links, connections = made(linger_s=0.02)
    for _ in range(3):
        await links.wait(CALL, DEVICE, lambda: False, wait_s=0.001)
        [held] = connections.of_principal("uid-7")
        assert (held.protocol, held.number) == (POLL, 1)
    left = asyncio.Event()
    connections.on_change(lambda _connection, reason: left.set() if reason else None)
    async with asyncio.timeout(10):
        await left.wait()
    assert not connections.count()


async def test_a_stream_that_ends_does_not_linger() -> None:
    links, connections = made()
    watch = links.open(CALL, DEVICE, STREAM)
    assert connections.is_connected("uid-7")
    links.leave(watch)
    links.leave(watch)
    assert not connections.is_connected("uid-7")


async def test_one_principal_waits_so_often_and_no_more() -> None:
    links, _ = made()
    watches = [links.open(CALL, DEVICE, POLL) for _ in range(2)]
    with pytest.raises(QuotaExceeded):
        links.open(CALL, DEVICE, POLL)
    links.leave(watches[0])
    links.open(CALL, DEVICE, POLL)


async def test_rv_1_a_poll_that_waits_is_cut_with_its_right() -> None:
    """The device is revoked while its request waits: it is answered at once, with 401."""
    links, connections = made()
    loop = asyncio.get_running_loop()
    loop.call_soon(connections.cut, "uid-7", "the device was revoked")
    with pytest.raises(Unauthenticated, match="the device was revoked"):
        await links.wait(CALL, DEVICE, lambda: False, wait_s=30)
    assert not connections.is_connected("uid-7")


async def test_rv_1_the_same_credential_comes_back_after_a_cut() -> None:
    """A cut ends what was there; what is opened later is another connection."""
    links, connections = made()
    before = links.open(CALL, DEVICE, POLL)
    connections.cut("uid-7", "moved")
    after = links.open(CALL, DEVICE, POLL)
    links.leave(before)
    assert before.reason == "moved"
    assert not after.reason
    assert connections.is_connected("uid-7")


async def test_nobody_waits_when_weft_stops() -> None:
    links, connections = made()
    watch = links.open(CALL, DEVICE, POLL)
    links.close()
    with pytest.raises(Unavailable):
        watch.require_open()
    with pytest.raises(Unavailable):
        links.open(CALL, DEVICE, POLL)
    assert not connections.count()


async def test_presence_knows_a_device_that_polls(world: World) -> None:
    """`weft device` shows it as connected, over http."""
    token = await world.device("pump-7")
    answer = await world.call("GET", "/devices/me/commands?wait_s=0.001", token=token)
    assert answer.json == {"items": [], "next": None}
    uid = world.devices.get(MAIN, DEVICE).uid
    [spell] = world.presence.open_spells(uid)
    assert (spell.protocol, spell.peer) == ("http", "127.0.0.1")

"""Devices that only send are there while they are heard, and gone when they are silent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.ingest.dialects.test_lorawan import PROBE, SERVER

from weft.backends.memory.records import MemoryRecords
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceUid
from weft.model.moments import NS_PER_S
from weft.registry.devices import DeviceChange
from weft.registry.presence import Presence
from weft.registry.silence import Silences
from weft.supervision import FakeClock

HOUR = 3_600.0


class Air:
    """What is on the air, by a clock that is turned."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.presence = Presence(MemoryRecords(), self.clock)
        self.silences = Silences(self.presence, self.clock)

    def hear(self, child: Device = PROBE, *, ago_s: float = 0.0, silence_s: float = HOUR) -> None:
        at = self.clock.now() - round(ago_s * NS_PER_S)
        self.silences.heard(SERVER, child, "lorawan", at=at, silence_s=silence_s)

    def turn(self, seconds: float) -> None:
        self.clock.turn(seconds)
        self.silences.sweep()

    def is_there(self, child: Device = PROBE) -> bool:
        return self.presence.is_connected(child.uid)

    async def reasons(self) -> list[str]:
        found = await self.presence.list(PROBE.tenant, PROBE.uid)
        return [one.value.reason for one in found]


async def test_a_device_is_there_from_its_first_uplink_until_it_is_silent() -> None:
    """Each uplink begins the silence anew; one spell holds all of them."""
    air = Air()
    air.hear()
    [spell] = air.presence.open_spells(PROBE.uid)
    assert (spell.protocol, spell.peer, spell.through) == ("lorawan", "server", SERVER.uid)
    for _ in range(3):
        air.turn(HOUR - 1)
        air.hear()
    air.turn(HOUR - 1)
    assert air.is_there()
    air.turn(1)
    assert not air.is_there()
    assert await air.reasons() == ["nothing was heard of it for 1 h"]
    air.hear(silence_s=90)
    assert air.is_there()
    air.turn(90)
    assert await air.reasons() == [
        "nothing was heard of it for 90 s",
        "nothing was heard of it for 1 h",
    ]


async def test_what_was_heard_too_long_ago_says_nothing_of_now() -> None:
    """A message that is redriven a day later does not bring its device back."""
    air = Air()
    air.hear(ago_s=HOUR)
    assert not air.is_there()
    air.hear(ago_s=HOUR / 2)
    air.hear(ago_s=HOUR * 0.75)  # nor does an older one shorten what is known
    air.turn(HOUR / 2 - 1)
    assert air.is_there()
    air.turn(1)
    assert not air.is_there()


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (None, "the device was deleted"),
        (replace(PROBE, lifecycle=Lifecycle.SUSPENDED), "the device is suspended"),
        (replace(PROBE, gateway=DeviceUid("uid-other")), "it has another gateway"),
        (replace(PROBE, label="Cellar"), None),
    ],
)
async def test_a_change_of_the_device_ends_its_spell(
    new: Device | None, reason: str | None
) -> None:
    """And it may be heard again: then by the rules of whoever it belongs to now."""
    air = Air()
    air.silences.changed(DeviceChange(PROBE, new))  # of one that nobody has heard
    air.hear()
    air.silences.changed(DeviceChange(PROBE, new))
    assert air.is_there() is (reason is None)
    if reason is not None:
        assert await air.reasons() == [reason]
        air.hear()
        air.turn(HOUR - 1)
        assert air.is_there()
        air.turn(1)
        assert not air.is_there()


async def test_a_device_out_of_service_is_not_there() -> None:
    air = Air()
    air.hear(replace(PROBE, lifecycle=Lifecycle.REVOKED))
    assert not air.is_there()


def test_a_change_that_makes_a_device_is_no_news() -> None:
    air = Air()
    air.silences.changed(DeviceChange(None, PROBE))
    assert not air.is_there()


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["hear", "turn", "drop"]),
                          st.integers(1, 40)), max_size=60))  # fmt: skip
def test_presence_is_whether_it_was_heard_in_time(steps: list[tuple[int, str, int]]) -> None:
    """Against a model that keeps the last moment of each of four devices."""
    air = Air()
    children = [replace(PROBE, uid=DeviceUid(f"uid-{number}")) for number in range(4)]
    until: dict[int, int] = {}
    for number, act, amount in steps:
        if act == "hear":
            air.hear(children[number], silence_s=float(amount))
            deadline = air.clock.now() + amount * NS_PER_S
            until[number] = max(deadline, until.get(number, 0))
        elif act == "drop":
            air.silences.changed(DeviceChange(children[number], None))
            until.pop(number, None)
        else:
            air.turn(amount)
            until = {one: at for one, at in until.items() if at > air.clock.now()}
        assert [air.is_there(one) for one in children] == [n in until for n in range(4)]


async def test_a_device_that_only_posts_is_there_until_it_is_silent() -> None:
    """By itself, without a gateway: one spell for all that it posts."""
    air = Air()
    pump = replace(PROBE, gateway=None)

    def post() -> None:
        at = air.clock.now()
        air.silences.heard_itself(pump, "http", "192.0.2.7", at=at, silence_s=HOUR)

    for _ in range(3):
        post()
        [spell] = air.presence.open_spells(pump.uid)
        assert (spell.protocol, spell.peer, spell.through) == ("http", "192.0.2.7", "")
        air.turn(HOUR - 1)
    air.turn(1)
    assert not air.is_there(pump)
    assert await air.reasons() == ["nothing was heard of it for 1 h"]
    post()
    suspended = replace(pump, lifecycle=Lifecycle.SUSPENDED)
    air.silences.changed(DeviceChange(pump, suspended))
    assert not air.is_there(pump)
    air.silences.heard_itself(suspended, "http", "", at=air.clock.now(), silence_s=HOUR)
    assert not air.is_there(pump)
    assert air.silences._heard == {}


def test_who_is_heard_in_two_ways_is_there_in_both() -> None:
    """By its gateway and by itself: each way falls silent by itself."""
    air = Air()
    air.hear(silence_s=2 * HOUR)
    air.turn(1)
    air.silences.heard_itself(PROBE, "http", "", at=air.clock.now(), silence_s=HOUR)
    [spell] = air.presence.open_spells(PROBE.uid)
    assert spell.protocol == "lorawan"
    air.turn(2 * HOUR)
    assert not air.is_there()
    assert air.silences._heard == {}

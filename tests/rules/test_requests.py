"""Requests: the identity of an episode."""

from msgspec.structs import replace
from tests.rules.support import ALICE, START, Plant, hot

from weft.model.ids import DeviceId
from weft.rules.requests import Raise


async def test_an_alarms_id_is_its_episode() -> None:
    """The same rule, version, device and episode: the same id; any other, another."""
    rule = await Plant().rules.create(ALICE, hot(message=""))
    one = Raise(
        rule=rule, device_id=DeviceId("a"), position=9, episode="9", began_at=START, at=START,
        evidence=(),
        values={"rule": "overheating", "device": "a"},
    )  # fmt: skip
    assert replace(one, at=0, values={}).alarm_id == one.alarm_id
    others = [
        replace(one, episode="9.1"),
        replace(one, device_id=DeviceId("b")),
        replace(one, rule=replace(rule, version=2)),
    ]
    assert len({one.alarm_id, *(other.alarm_id for other in others)}) == 4
    assert one.alarm().message == "overheating on a"

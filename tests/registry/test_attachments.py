"""Attachments: any moment is answered by one asset or none, and no history is lost."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER, Registry

from weft.errors import Conflict, NotFound, QuotaExceeded
from weft.model.asset import AttachmentRole
from weft.registry import attachments as module
from weft.registry.assets import NewAsset
from weft.registry.attachments import AttachmentChange
from weft.registry.devices import NewDevice

OBSERVES, STEERS = AttachmentRole.OBSERVES, AttachmentRole.STEERS
SECOND = 1_000_000_000


async def fleet(*assets: str) -> Registry:
    """Some trailers, and a tracker that is on none."""
    registry = Registry()
    await registry.devices.create(ALICE, NewDevice("tracker"))
    for name in assets or ("trailer-1", "trailer-2"):
        await registry.assets.create(ALICE, NewAsset("trailer", name))
    return registry


async def where_at(registry: Registry, at: int, role: AttachmentRole = OBSERVES) -> str | None:
    uid = registry.devices.get(MAIN, "tracker").uid
    found = (await registry.attachments.list(MAIN, ("device", uid), at=at)).items
    names = [one.asset_id for one in found if one.role is role]
    assert len(names) <= 1
    return names[0] if names else None


def now_at(registry: Registry) -> list[tuple[str, str]]:
    uid = registry.devices.get(MAIN, "tracker").uid
    return [(one.role.value, one.asset_id) for one in registry.attachments.of_device(uid)]


async def test_where_was_it_on_march_3rd() -> None:
    """A tracker moves from one trailer to another, and both moments are answered."""
    registry = await fleet()
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-1")
    first = registry.clock.now()
    registry.clock.turn(3600)
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-2")
    moved = registry.clock.now()

    assert now_at(registry) == [("observes", "trailer-2")]
    assert await where_at(registry, first) == "trailer-1"
    assert await where_at(registry, moved - 1) == "trailer-1"
    assert await where_at(registry, moved) == "trailer-2"
    assert await where_at(registry, first - 1) is None
    again = await registry.restarted()
    assert now_at(again) == [("observes", "trailer-2")]
    assert registry.audit.actions()[-1] == "device.attach"


async def test_a_device_has_each_role_for_one_asset() -> None:
    """It may observe a tank and steer a line, and moves in one role alone."""
    registry = await fleet("tank", "line", "line-2")
    await registry.attachments.attach(ALICE, "tracker", STEERS, "line")
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "tank")
    assert now_at(registry) == [("observes", "tank"), ("steers", "line")]
    await registry.attachments.attach(ALICE, "tracker", STEERS, "line-2")
    assert now_at(registry) == [("observes", "tank"), ("steers", "line-2")]


async def test_attaching_where_it_is_changes_nothing() -> None:
    """A repeat makes no second entry in its history, and is told to nobody."""
    registry = await fleet()
    told: list[AttachmentChange] = []
    registry.attachments.on_change(told.append)
    one = await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-1")
    registry.clock.turn(10)
    assert await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-1") == one
    assert [change.attached for change in told] == [True]


async def test_a_move_that_was_noted_late_is_entered_with_its_moment() -> None:
    """As far back as nothing else is known, and never in the future."""
    registry = await fleet()
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-1")
    began = registry.clock.now()
    registry.clock.turn(3600)
    moved = began + 60 * SECOND
    for moment in (began, registry.clock.now() + 1):
        with pytest.raises(Conflict, match="not behind what is known"):
            await registry.attachments.attach(
                ALICE, "tracker", OBSERVES, "trailer-2", from_at=moment
            )
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-2", from_at=moved)
    assert await where_at(registry, moved - 1) == "trailer-1"
    assert await where_at(registry, moved) == "trailer-2"


async def test_what_is_detached_is_at_nothing_and_its_history_stays() -> None:
    """Detaching twice is said to be wrong."""
    registry = await fleet()
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-1")
    began = registry.clock.now()
    registry.clock.turn(5)
    ended = await registry.attachments.detach(ALICE, "tracker", OBSERVES)
    assert (ended.until_at, ended.detached_by) == (registry.clock.now(), str(ALICE))
    assert now_at(registry) == []
    assert await where_at(registry, began) == "trailer-1"
    with pytest.raises(NotFound, match="observes nothing"):
        await registry.attachments.detach(ALICE, "tracker", OBSERVES)


async def test_deleting_either_end_ends_it_and_the_asset_keeps_its_history() -> None:
    """A namesake of the device begins with nothing."""
    registry = await fleet()
    asset = registry.assets.get(MAIN, "trailer-1")
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-1")
    registry.clock.turn(5)
    await registry.devices.delete(ALICE, "tracker")
    assert registry.attachments.of_asset(asset.uid) == []
    kept = (await registry.attachments.list(MAIN, ("asset", asset.uid))).items
    assert [one.until_at for one in kept] == [registry.clock.now()]

    await registry.devices.create(ALICE, NewDevice("tracker"))
    assert now_at(registry) == []
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-1")
    await registry.assets.delete(ALICE, "trailer-1")
    assert now_at(registry) == []
    assert now_at(await registry.restarted()) == []


async def test_tn_1_nothing_is_attached_across_tenants() -> None:
    """Neither my device to their asset, nor theirs to mine; nor is any listed."""
    registry = await fleet()
    await registry.attachments.attach(ALICE, "tracker", OBSERVES, "trailer-1")
    await registry.devices.create(MALLORY, NewDevice("theirs"))
    await registry.assets.create(MALLORY, NewAsset("trailer", "their-trailer"))
    for device, asset in (("tracker", "their-trailer"), ("theirs", "trailer-1")):
        with pytest.raises(NotFound):
            await registry.attachments.attach(MALLORY, device, OBSERVES, asset)
    with pytest.raises(NotFound):
        await registry.attachments.detach(MALLORY, "tracker", OBSERVES)
    uid = registry.devices.get(MAIN, "tracker").uid
    assert (await registry.attachments.list(OTHER, ("device", uid))).items == []


async def test_an_asset_and_a_device_hold_a_bounded_number(monkeypatch: Any) -> None:
    """The oldest history goes first; a place for one more is refused, not made."""
    monkeypatch.setattr(module, "KEPT_PER_DEVICE", 3)
    monkeypatch.setattr(module, "DEVICES_PER_ASSET", 1)
    registry = await fleet()
    for number in range(6):
        await registry.attachments.attach(ALICE, "tracker", OBSERVES, f"trailer-{number % 2 + 1}")
        registry.clock.turn(1)
    uid = registry.devices.get(MAIN, "tracker").uid
    assert len((await registry.attachments.list(MAIN, ("device", uid))).items) == 3
    assert now_at(registry) == [("observes", "trailer-2")]
    await registry.devices.create(ALICE, NewDevice("second"))
    with pytest.raises(QuotaExceeded):
        await registry.attachments.attach(ALICE, "second", OBSERVES, "trailer-2")


STEPS = st.lists(
    st.tuples(
        st.integers(0, 30),  # seconds that go by
        st.sampled_from(list(AttachmentRole)),
        st.sampled_from(["trailer-1", "trailer-2", "trailer-3", None]),  # None detaches
        st.none() | st.integers(0, 60),  # entered so many seconds late
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
async def test_any_history_answers_every_moment_as_a_list_of_changes_would(steps: Any) -> None:
    """The model: for each role the changes in order, the last at or before a moment counts."""
    registry = await fleet("trailer-1", "trailer-2", "trailer-3")
    begin = registry.clock.now()
    changes: dict[AttachmentRole, list[tuple[int, str | None]]] = {
        role: [(-1, None)] for role in AttachmentRole
    }
    for passed, role, asset, late in steps:
        registry.clock.turn(passed)
        known, now = changes[role], registry.clock.now()
        at = None if late is None else now - late * SECOND
        last, held = known[-1]
        earliest = last + 1 if held else max(last, 0)
        expected = max(now, earliest) if at is None else at
        try:
            if asset is None:
                await registry.attachments.detach(ALICE, "tracker", role, at=at)
            else:
                await registry.attachments.attach(ALICE, "tracker", role, asset, from_at=at)
        except NotFound:
            assert asset is None
            assert held is None
        except Conflict:
            assert not earliest <= expected <= now
        else:
            if at is not None or asset != held:
                known.append((expected, asset))
    moments = {at + shift for role in changes for at, _ in changes[role] for shift in (-1, 0, 1)}
    for role, known in changes.items():
        for at in moments | {begin, registry.clock.now() + SECOND}:
            answer = [asset for moment, asset in known if moment <= at][-1] if at >= 0 else None
            assert await where_at(registry, at, role) == answer
        held = known[-1][1]
        assert ((role.value, held) in now_at(registry)) is (held is not None)

"""Devices: an admission has states, and only some moves between them."""

import msgspec
import pytest

from weft.errors import Conflict
from weft.model.device import MOVES, Device, Field, Lifecycle, require_move
from weft.model.ids import DeviceId, DeviceUid, TenantId


@pytest.mark.parametrize("old", Lifecycle)
@pytest.mark.parametrize("new", Lifecycle)
def test_only_the_moves_in_the_table_are_made(old: Lifecycle, new: Lifecycle) -> None:
    """Any other is a conflict that says what is possible (PR-6)."""
    if new in MOVES[old]:
        require_move(old, new)
        return
    with pytest.raises(Conflict) as caught:
        require_move(old, new)
    for allowed in MOVES[old]:
        assert allowed in caught.value.remedy


def test_decommissioned_is_the_end() -> None:
    """Whoever wants the unit back makes a new device."""
    assert not MOVES[Lifecycle.DECOMMISSIONED]
    with pytest.raises(Conflict, match="cannot become"):
        require_move(Lifecycle.DECOMMISSIONED, Lifecycle.ACTIVE)


def test_a_revoked_device_never_comes_back() -> None:
    """Nor does any path of moves lead from it to active."""
    reached, waiting = set(), [Lifecycle.REVOKED]
    while waiting:
        state = waiting.pop()
        reached.add(state)
        waiting += [one for one in MOVES[state] if one not in reached]
    assert Lifecycle.ACTIVE not in reached


def test_every_state_can_end() -> None:
    """Nothing stays in the list for ever."""
    for state in Lifecycle:
        assert state is Lifecycle.DECOMMISSIONED or Lifecycle.DECOMMISSIONED in MOVES[state]


def test_a_device_is_stored_and_read_again_as_it_was() -> None:
    """Its attributes are of any JSON type."""
    device = Device(
        TenantId("main"),
        DeviceId("pump-7"),
        DeviceUid("uid"),
        None,
        Lifecycle.ACTIVE,
        7,
        attributes={"room": 3, "tags": ["a"], "site": {"floor": 1}},
    )
    assert msgspec.json.decode(msgspec.json.encode(device), type=Device) == device


@pytest.mark.parametrize("lifecycle", Lifecycle)
@pytest.mark.parametrize("origin", ["", "claim:c", "authority:a", "import:i", "claim:"])
def test_pr_4_who_came_by_itself_and_is_pending_waits(lifecycle: Lifecycle, origin: str) -> None:
    """By a claim or with a customer's certificate; whom people made pending is not heard."""
    device = Device(
        TenantId("main"), DeviceId("7"), DeviceUid("u"), None, lifecycle, 7, origin=origin
    )
    came = origin in {"claim:c", "authority:a"}
    assert device.waits == (came and lifecycle is Lifecycle.PENDING)
    assert device.came_by("claim") == ("c" if origin == "claim:c" else "")


def test_a_field_writes_only_what_was_declared() -> None:
    """So that a type's document reads as its owner wrote it."""
    assert msgspec.json.encode(Field("number", unit="Cel")) == b'{"type":"number","unit":"Cel"}'

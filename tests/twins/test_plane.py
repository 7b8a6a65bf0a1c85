"""Devices on the map's plane: found by a view, drawn together by a grid."""

from hypothesis import given
from hypothesis import strategies as st

from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId
from weft.twins.plane import Place, Plane, View

ACME = TenantId("acme")


def put(plane: Plane, name: str, north: float, east: float) -> None:
    device = Device(ACME, DeviceId(name), DeviceUid(f"u-{name}"), None, Lifecycle.ACTIVE, 1)
    plane.put([Place(device, north, east, 1)])


@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 179.9)), min_size=1, max_size=60),
    st.floats(0, 22),
    st.integers(1, 40),
)
def test_every_device_is_in_exactly_one_mark(
    places: list[tuple[float, float]], zoom: float, limit: int
) -> None:
    """Wherever they are, however near one looks, however few marks are allowed."""
    plane = Plane()
    for number, (north, east) in enumerate(places):
        put(plane, f"d-{number}", north, east)
    found = plane.marks(View(zoom=zoom), limit=limit)
    assert sum(mark.count for mark in found.marks) == found.devices == len(places)
    assert len({mark.key for mark in found.marks}) == len(found.marks) <= limit


def test_panning_does_not_change_a_mark_that_stays_in_sight() -> None:
    """Cells are counted whole: a cluster does not shrink while it leaves the view."""
    plane = Plane()
    for number in range(20):
        put(plane, f"d-{number}", 51.0, 12.0 + number / 100)
    whole = {mark.key: mark for mark in plane.marks(View(zoom=5), limit=100).marks}
    part = plane.marks(View(west=12.05, east=12.1, south=50.9, north=51.1, zoom=5), limit=100)
    assert part.marks
    assert all(whole[mark.key] == mark for mark in part.marks)


def test_a_slot_is_used_again_and_room_is_made() -> None:
    """A thousand devices that come and go take the room of those that are there."""
    plane = Plane()
    for number in range(1_000):
        put(plane, f"d-{number}", 1.0, 1.0)
        if number >= 100:
            plane.drop(DeviceId(f"d-{number - 100}"))
    assert len(plane.names) == 101
    assert plane.marks(View(), limit=10).devices == 100
    assert [name for name, _ in plane.list_names(View(), after="d-99", limit=2)] == [
        "d-990",
        "d-991",
    ]

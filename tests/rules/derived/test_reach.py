"""Reach: parts are cut between roll-ups, and never so that their sum is much more to read."""

from hypothesis import given
from hypothesis import strategies as st

from weft.model.ids import DeviceId
from weft.rules.derived.reach import MORE_MAX, Members, parts_of, reach_of


def names(first: int, last: int) -> list[DeviceId]:
    return [DeviceId(f"m{number:03}") for number in range(first, last)]


def stand(target: str, devices: list[DeviceId]) -> tuple[DeviceId, frozenset[DeviceId]]:
    return DeviceId(target), frozenset(devices)


def test_a_member_has_all_the_others_read_and_those_above_change() -> None:
    """A room, and the house of all rooms."""
    members = [stand("room", names(0, 3)), stand("house", [DeviceId("room"), DeviceId("hall")])]
    affected, read = reach_of([DeviceId("m001")], members)
    assert affected == {"m001", "room", "house"}
    assert read == {"m000", "m001", "m002", "room", "house", "hall"}
    assert reach_of([DeviceId("other")], members) == ({"other"}, {"other"})


def test_devices_that_are_no_members_are_halved_down_to_one() -> None:
    assert parts_of(names(0, 4), []) == [names(0, 2), names(2, 4)]
    assert parts_of(names(0, 1), []) == [names(0, 1)]


def test_members_of_one_roll_up_stay_together_however_few_are_late() -> None:
    """Each part of them would have all of them read."""
    members = [stand("hall", names(0, 100))]
    assert parts_of(names(0, 100), members) == [names(0, 100)]
    assert parts_of(names(0, 2), members) == [names(0, 2)]


def test_who_is_no_member_is_set_apart_first() -> None:
    members = [stand("hall", names(0, 100))]
    assert parts_of(names(90, 110), members) == [names(100, 110), names(90, 100)]


def test_the_cut_is_between_roll_ups() -> None:
    """Of two whose members take turns in the order of their names."""
    every = names(0, 90)
    members = [stand("one", every[::3]), stand("two", [*every[1::3], *every[2::3]])]
    assert parts_of(every, members) == [every[::3], sorted([*every[1::3], *every[2::3]])]


def test_rooms_of_one_house_stay_together() -> None:
    """Each room is a roll-up of its own, and the house one of all: a part would read the house."""
    rooms = [stand(f"room-{at}", names(at, at + 4)) for at in range(0, 100, 4)]
    members = [*rooms, stand("house", names(0, 100))]
    (whole,) = parts_of(names(0, 100), members)
    assert sorted(whole) == names(0, 100)


_GROUPS = st.lists(st.frozensets(st.sampled_from(names(0, 12)), min_size=1), max_size=5)


@given(st.sets(st.sampled_from(names(0, 16)), min_size=1), _GROUPS)
def test_parts_are_all_of_it_and_read_little_more(
    late: set[DeviceId], groups: list[frozenset[DeviceId]]
) -> None:
    """Nobody is lost or in both, and two parts of members read less each and together."""
    members: Members = [(DeviceId(f"t{at}"), some) for at, some in enumerate(groups)]
    parts = parts_of(late, members)
    assert sorted(one for part in parts for one in part) == sorted(late)
    assert all(parts)
    whole = len(reach_of(late, members)[1])
    reads = [len(reach_of(part, members)[1]) for part in parts]
    if len(parts) > 1:
        assert max(reads) < whole
        assert sum(reads) <= MORE_MAX * whole

"""Seen: bounded, and by who made a delivery."""

from weft.api.seen import Seen


def test_so_many_deliveries_are_remembered_and_no_more() -> None:
    seen = Seen(limit=2)
    for number in range(3):
        seen.add("uid", bytes([number]), number)
    assert [seen.find("uid", bytes([number])) for number in range(3)] == [None, 1, 2]
    assert seen.find("other", b"\x02") is None

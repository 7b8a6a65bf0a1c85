"""The desk of stand-ins: orders, their file, and a technician."""

from pathlib import Path

import pytest

from weft.connectors.standins.desk import (
    BEGUN,
    DONE,
    NS_PER_S,
    OPEN,
    ORDERS_MAX,
    Desk,
    Heard,
    Order,
    Refused,
    Said,
)


def test_orders_survive_a_restart_in_their_file(tmp_path: Path) -> None:
    """The numbers go on."""
    file = tmp_path / "orders.json"
    desk = Desk(lambda: 7, file=file)
    desk.note(desk.add("k", {"name": "x"}), "cleared")
    again = Desk(lambda: 8, file=file)
    assert [(one.key, one.notes, one.changes) for one in again.find("k")] == [("k", ["cleared"], 1)]
    assert again.add("l", {}).number == 2


def test_the_technician_begins_and_ends_each_order() -> None:
    """Forty-five seconds: fifteen until somebody comes, thirty of work; then rest."""
    now = [0]
    desk = Desk(lambda: now[0], repair_after_s=45)
    order = desk.add("k", {})
    seen = []
    for seconds in (0, 14, 15, 44, 45, 90):
        now[0] = seconds * NS_PER_S
        desk.work()
        seen.append(order.state)
    assert seen == [OPEN, OPEN, BEGUN, BEGUN, DONE, DONE]
    assert order.changes == 2
    idle = Desk(lambda: 10**12)
    idle.add("k", {})
    idle.work()
    assert idle.orders[1].state == OPEN


def test_what_is_not_there_or_does_not_fit_is_refused() -> None:
    """404 and 507, as far sides say it."""
    desk = Desk(lambda: 0)
    for number in ("9", "x", "²", "-1"):
        with pytest.raises(Refused) as caught:
            desk.get(number)
        assert caught.value.status == 404
    desk.orders = {n: Order(n, "", {}, 0) for n in range(ORDERS_MAX)}
    with pytest.raises(Refused) as full:
        desk.add("k", {})
    assert full.value.status == 507


def test_a_request_is_read_as_it_came() -> None:
    """The path stays encoded; a body that is no object is 400."""
    heard = Heard("GET", "/a%2Fb?x=1&x=2&y=a%20b", {}, b"[]")
    assert (heard.path, heard.query) == ("/a%2Fb", {"x": "2", "y": "a b"})
    with pytest.raises(Refused) as caught:
        heard.json()
    assert caught.value.status == 400
    assert (Said().body, Said([1]).body) == (b"", b"[1]")

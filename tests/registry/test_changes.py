"""Listeners are told in the order in which they came."""

from weft.registry.changes import Listeners


def test_every_listener_is_told_in_order() -> None:
    """The gate asked first, the rules second; both hear of each change."""
    heard: list[str] = []
    listeners: Listeners[str] = Listeners()
    listeners.add(lambda change: heard.append(f"gate {change}"))
    listeners.add(lambda change: heard.append(f"rules {change}"))

    listeners.tell("pump-7")
    listeners.tell("fan-1")

    assert heard == ["gate pump-7", "rules pump-7", "gate fan-1", "rules fan-1"]


def test_no_listener_is_no_trouble() -> None:
    """A service that nobody listens to changes all the same."""
    Listeners[str]().tell("pump-7")

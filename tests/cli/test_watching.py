"""What is watched: the newest of everything, and never without a bound."""

from typing import Any

import pytest

from weft.cli.watching import DEVICES_MAX, RECORDS_MAX, REFUSALS_MAX, Watched, values_of


def message(device: str, data: Any, position: int = 1) -> dict[str, Any]:
    return {
        "position": position,
        "received_at": "2026-11-23T07:00:00Z",
        "device_id": device,
        "topic": f"devices/{device}/telemetry",
        "data": data,
    }


def alarm(name: str, state: str = "active") -> dict[str, Any]:
    return {
        "alarm_id": name, "device_id": "pump-1", "state": state, "severity": "major",
        "raised_at": f"2026-11-23T07:00:0{name[1:]}Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"t": 1}, {"t": 1}),
        ({"ts": 5, "values": {"t": 1}}, {"t": 1}),
        ([{"ts": 5, "values": {"t": 1}}, {"ts": 6, "values": {"t": 2}}], {"t": 2}),
        ([], {}),
        (21.5, {}),
        (None, {}),
    ],
)
def test_the_newest_values_of_any_shape(data: Any, values: dict[str, Any]) -> None:
    """The three that the native dialect knows, and what is none of them."""
    assert values_of(data) == values


def test_a_devices_values_are_gathered_and_its_rate_is_of_the_last_ten_seconds() -> None:
    """One message has the temperature, the next one the rest."""
    watched = Watched()
    watched.take("telemetry", message("pump-1", {"t": 1}), 100)
    for second in range(101, 111):
        watched.take("telemetry", message("pump-1", {"v": second}), second)
        watched.take("telemetry", message("pump-1", {"v": second}), second)
    seen = watched.devices["pump-1"]
    assert seen.values == {"t": 1, "v": 110}
    assert seen.rate(110) == 2.0
    assert seen.rate(200) == 0.0
    assert (seen.messages, watched.messages) == (21, 21)


def test_an_alarm_is_there_until_it_is_cleared() -> None:
    """Acknowledged ones stay; those of the list are as those of the stream."""
    watched = Watched()
    watched.load([alarm("a2"), alarm("a1"), alarm("a0", "cleared")], [])
    assert [*watched.alarms] == ["a1", "a2"]  # the newest last
    record = {"device_id": "pump-1", "change": "x", "record": alarm("a1", "acknowledged")}
    watched.take("alarm", record, 1)
    assert watched.alarms["a1"]["state"] == "acknowledged"
    watched.take("alarm", {**record, "record": alarm("a1", "cleared")}, 1)
    assert [*watched.alarms] == ["a2"]
    watched.load([], [])
    assert not watched.alarms


def test_refusals_and_what_was_missed_are_counted() -> None:
    """A terminal that is too slow is told so."""
    watched = Watched()
    refused = message("pump-1", None) | {"rejection": {"code": "payload_invalid", "detail": "no"}}
    for _ in range(REFUSALS_MAX + 5):
        watched.take("rejection", refused, 1)
    watched.take("gap", {"reason": "The reader was too slow.", "missed": 17}, 1)
    watched.take("event", message("pump-1", {}), 1)
    assert (watched.refused, len(watched.refusals), watched.missed) == (25, REFUSALS_MAX, 17)


def test_nothing_grows_without_a_bound() -> None:
    """A fleet of a hundred thousand does not fill a laptop."""
    watched = Watched()
    for number in range(DEVICES_MAX + 10):
        watched.take("telemetry", message(f"d-{number}", {"t": 1}), number)
    for number in range(RECORDS_MAX + 10):
        order = {"work_order_id": f"w-{number}"}
        watched.take("work_order", {"device_id": "", "change": "", "record": order}, 1)
    assert (len(watched.devices), len(watched.orders)) == (DEVICES_MAX, RECORDS_MAX)
    assert "d-0" not in watched.devices

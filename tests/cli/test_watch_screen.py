"""The screen and the lines: everything is there, and nothing of it steers the terminal."""

import io
import json
from typing import Any

from rich.console import Console
from tests.cli.test_watching import message

from weft.cli.watch_screen import json_line, plain_line, screen
from weft.cli.watching import Watched

ALARM = {
    "alarm_id": "a1",
    "device_id": "pump-1",
    "severity": "critical",
    "state": "active",
    "raised_at": "2026-11-23T07:00:05Z",
    "message": "Bearing too hot",
}
ORDER = {
    "work_order_id": "w1",
    "device_id": "pump-1",
    "state": "open",
    "connector": "tryton",
    "remote_id": "WO-17",
    "title": "Change the bearing",
}

COMMAND = {"name": "set", "request_id": "r-1", "error": "stuck"}
CHANGE = {"changes": [{"name": "rpm", "old": 8, "new": 9}]}


def drawn(watched: Watched, note: str = "", height: int = 40) -> str:
    output = io.StringIO()
    Console(file=output, width=120, color_system=None).print(screen(watched, note, height))
    return output.getvalue()


def full() -> Watched:
    watched = Watched()
    watched.take("telemetry", message("pump-1", {"temperature": 21.43219876, "on": True}), 1)
    watched.take("alarm", {"device_id": "pump-1", "change": "active", "record": ALARM}, 1)
    watched.take("work_order", {"device_id": "pump-1", "change": "open", "record": ORDER}, 1)
    refused = message("pump-2", None) | {"rejection": {"code": "no_such", "detail": "Not so."}}
    watched.take("rejection", refused, 1)
    return watched


def test_the_screen_shows_devices_alarms_orders_and_refusals() -> None:
    """One look tells how the plant is."""
    shown = drawn(full())
    for word in (
        "pump-1", "temperature=21.4322", "on=true", "critical", "Bearing too hot", "07:00:05",
        "WO-17", "Change the bearing", "no_such", "Not so.", "1 messages, 1 refused", "Ctrl-C",
    ):  # fmt: skip
        assert word in shown, word
    assert "Trying again" in drawn(full(), "Nothing answers. Trying again.")


def test_an_empty_screen_says_what_to_try() -> None:
    """The first minute of somebody new."""
    assert "weft simulate" in drawn(Watched())


def test_the_screen_has_no_more_rows_than_the_terminal() -> None:
    """With five hundred devices as well."""
    watched = full()
    for number in range(500):
        watched.take("telemetry", message(f"d-{number:03}", {"t": number}), 1)
    assert len(drawn(watched, height=30).splitlines()) <= 30
    watched.missed = 12
    assert "too slow" in drawn(watched)


def test_what_a_device_sends_does_not_steer_the_terminal() -> None:
    """Neither by escape sequences nor by our own markup."""
    evil = "\x1b[2J\x1b]0;owned\x07[red]x[/red]"
    watched = Watched()
    watched.take("telemetry", message("pump-1", {"text": evil, "\x1b[31m": 1}), 1)
    watched.take("alarm", {"record": ALARM | {"message": evil}}, 1)
    assert "\x1b" not in drawn(watched)
    assert "[red]x[/red]" in drawn(watched)
    assert "\x1b" not in plain_line("telemetry", message("pump-1", {"text": evil}))
    assert "\x1b" not in json_line("telemetry", "1", message("pump-1", {"text": evil}))


def test_each_kind_has_a_line() -> None:
    """For pipes and logs."""
    refused = message("pump-2", None) | {"rejection": {"code": "no_such", "detail": "Not so."}}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("telemetry", message("p", {"t": 1}), "2026-11-23T07:00:00Z telemetry  p t=1"),
        ("event", message("p", [1, 2]), "2026-11-23T07:00:00Z event      p [1, 2]"),
        ("rejection", refused, "2026-11-23T07:00:00Z rejection  pump-2 no_such: Not so."),
        ("alarm", {"device_id": "p", "change": "active", "record": ALARM}, "Bearing too hot"),
        ("work_order", {"device_id": "p", "change": "open", "record": ORDER}, "WO-17: Change"),
        ("command", {"device_id": "p", "change": "failed", "record": COMMAND}, "set r-1: stuck"),
        ("property", {"device_id": "p", "change": "reported", "record": CHANGE}, "rpm: 8 -> 9"),
        ("gap", {"reason": "Too slow.", "remedy": "Read history."}, "Too slow. Read history."),
    ]
    for kind, data, expected in cases:
        assert expected in plain_line(kind, data), kind
        assert "\n" not in plain_line(kind, data)
    many = {f"k{number}": number for number in range(11)}
    assert "and 3 more" in plain_line("telemetry", message("p", many))
    assert json.loads(json_line("gap", "7", {"missed": 1})) == {
        "event": "gap", "id": "7", "missed": 1,
    }  # fmt: skip

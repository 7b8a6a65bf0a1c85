"""What the demonstration shows: on a terminal a picture, elsewhere one line per event."""

import io
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console
from tests.app.support import served

from weft.api.snippets import Endpoints
from weft.app.serve import Started
from weft.cli.demo_screen import EVENTS_SHOWN, DemoScreen
from weft.cli.simulation.fleet import Fleet
from weft.model.alarm import Alarm, AlarmState, Severity, WorkOrder, WorkOrderState
from weft.model.device import Field
from weft.model.ids import AlarmId, DeviceId, RuleId, TenantId, WorkOrderId

MAIN, PUMP = TenantId("main"), DeviceId("pump-1")
ALARM = Alarm(
    AlarmId("a"),
    MAIN,
    RuleId("bearing-wear"),
    1,
    PUMP,
    5,
    Severity.CRITICAL,
    AlarmState.ACTIVE,
    "pump-1 vibrates at 7.1 g",
    9,
)
ORDER = WorkOrder(
    WorkOrderId("w"),
    MAIN,
    ALARM.alarm_id,
    PUMP,
    "erp",
    "Replace the bearing of pump-1",
    WorkOrderState.REQUESTED,
    9,
)
STARTED = Started(
    endpoints=Endpoints(http="http://127.0.0.1:8080", https="", mqtt="127.0.0.1:1883", mqtts=""),
    data="/srv/demo",
    ready_s=0.5,
    replayed=0,
    sign_up_token="weft_x",
)


def screen(*, terminal: bool = False) -> tuple[DemoScreen, io.StringIO]:
    """A screen and what is written on it."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, height=60, no_color=True)
    return DemoScreen(console, "http://127.0.0.1:9/tasks"), out


def test_it_says_what_to_try() -> None:
    """With the folder that this server uses, so that a line can be pasted as it is."""
    shown, out = screen()
    shown.started(STARTED)
    for part in (
        "http://127.0.0.1:8080",
        "127.0.0.1:1883",
        "weft --data /srv/demo alarm list",
        "http://127.0.0.1:8080/sign-up#weft_x",
        "Ctrl-C",
    ):
        assert part in out.getvalue()


def test_an_alarm_is_told_when_it_rises_and_when_it_clears() -> None:
    """And not again when somebody acknowledges it."""
    shown, out = screen()
    shown.alarm_changed(ALARM)
    shown.alarm_changed(replace(ALARM, state=AlarmState.ACKNOWLEDGED, version=2))
    assert out.getvalue().count("pump-1 vibrates at 7.1 g") == 1
    shown.alarm_changed(replace(ALARM, state=AlarmState.CLEARED, version=3))
    assert "alarm bearing-wear cleared" in out.getvalue()


def test_a_work_order_is_told_at_each_step_once() -> None:
    """On its way, in the ERP, closed."""
    shown, out = screen()
    there = replace(ORDER, state=WorkOrderState.OPEN, remote_id="17")
    for order in (ORDER, ORDER, there, replace(there, polled_at=9), there):
        shown.order_changed(order)
    lines = [line for line in out.getvalue().splitlines() if "WORK ORDER" in line]
    assert len(lines) == 2
    assert "requested (on its way)" in lines[0]
    assert "open (task 17 in the ERP)" in lines[1]


async def test_a_terminal_shows_every_machine_and_the_last_events(tmp_path: Path) -> None:
    """Whoever is away says why; who has an alarm shows it."""
    shown, _ = screen(terminal=True)
    telemetry = {"temperature": Field("number")}
    fleet = Fleet(("127.0.0.1", 9), [("pump-1", "x"), ("mill-1", "x")], telemetry, interval_s=1)
    fleet.members["mill-1"].trouble = "Nothing answers"
    fleet.members["pump-1"].last = {"temperature": 61.5}
    shown.started(STARTED)
    shown.show(fleet)
    shown.alarm_changed(ALARM)
    for number in range(2 * EVENTS_SHOWN):
        shown.tell(f"event {number}.")
    out = io.StringIO()
    async with served(tmp_path) as weft:
        Console(file=out, width=120, no_color=True).print(shown._draw(weft))
    drawn = out.getvalue()
    for part in ("pump-1", "61.5", "bearing-wear", "mill-1", "Nothing answers", "1 alarms"):
        assert part in drawn
    assert f"event {2 * EVENTS_SHOWN - 1}." in drawn
    assert "event 0." not in drawn


@pytest.mark.parametrize(("width", "height"), [(40, 12), (60, 16), (80, 24), (100, 30), (130, 45)])
async def test_it_fits_any_terminal_and_counts_what_has_no_place(
    tmp_path: Path, width: int, height: int
) -> None:
    """On a small one the machines in trouble stay, and the rest is a number."""
    shown, _ = screen()
    names = [f"machine-{number}" for number in range(8)] + ["pump-1"]
    fleet = Fleet(("127.0.0.1", 9), [(name, "x") for name in names], {}, interval_s=1)
    for member in fleet.members.values():
        member.connected = True
    shown.started(STARTED)
    shown.show(fleet)
    shown.alarm_changed(ALARM)
    for number in range(2 * EVENTS_SHOWN):
        shown.tell(f"event {number}. " + "x" * 100)
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, no_color=True)
    shown._console = console
    async with served(tmp_path) as weft:
        console.print(shown._draw(weft))
    lines = out.getvalue().splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert any("pump-1" in line for line in lines)
    assert any("machine-7" in line for line in lines) or "more" in out.getvalue()
    assert f"event {2 * EVENTS_SHOWN - 1}." in out.getvalue()
    assert "Ctrl-C" in out.getvalue()

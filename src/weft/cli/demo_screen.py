"""What the demonstration shows in the terminal: the plant, what happens, what to try.

It fits any terminal: what has no place is counted or shortened with a mark, never cut in
silence. What one copies is printed once, in whole lines, before the picture begins.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from weft.app.compose import MAIN, Weft
from weft.app.serve import Started
from weft.cli.simulation.fleet import Fleet, Member
from weft.cli.typed import typed
from weft.model.alarm import Alarm, AlarmState, WorkOrder

EVENTS_SHOWN = 10
EVENTS_MIN = 3
FRAME = 2  # a panel's lines above and below
VALUES = ("temperature", "vibration", "rotations", "power")
VALUE_WIDTH, NAME_WIDTH = 11, 34  # columns that a value takes; machine, state and frame
REFRESH_S = 0.5
COLOURS = {"critical": "red", "major": "yellow", "warning": "yellow", "info": "cyan"}


class DemoScreen:
    """A live view on a terminal; one line per event elsewhere."""

    def __init__(self, console: Console, erp_url: str) -> None:
        self._console = console
        self._erp_url = erp_url
        self._events: deque[Text] = deque(maxlen=EVENTS_SHOWN)
        self._alarms: dict[str, Alarm] = {}
        self._orders: dict[str, WorkOrder] = {}
        self._fleet: Fleet | None = None
        self._began = time.monotonic()
        self._started: Started | None = None

    def started(self, started: Started) -> None:
        """Weft serves."""
        self._started = started
        self._console.print(self._hints(started), soft_wrap=True, highlight=False)
        self.tell(f"Weft is ready after {started.ready_s:.1f} s")

    def show(self, fleet: Fleet) -> None:
        """The plant is there."""
        self._fleet = fleet

    def tell(self, text: str, style: str = "") -> None:
        """Something happened."""
        moment = f"{time.monotonic() - self._began:6.1f} s"
        line = Text(f"{moment}  {text}", style=style, no_wrap=True, overflow="ellipsis")
        self._events.append(line)
        if not self._console.is_terminal:
            self._console.print(line, soft_wrap=True)

    def alarm_changed(self, alarm: Alarm) -> None:
        """An alarm rose, was acknowledged, or cleared."""
        if alarm.state is AlarmState.CLEARED:
            self._alarms.pop(alarm.device_id, None)
            self.tell(f"{alarm.device_id}: alarm {alarm.rule_id} cleared", "green")
        else:
            if alarm.device_id not in self._alarms:
                self.tell(f"ALARM  {alarm.message}", COLOURS[alarm.severity])
            self._alarms[alarm.device_id] = alarm

    def order_changed(self, order: WorkOrder) -> None:
        """A work order went to the ERP, or came back."""
        known = self._orders.get(order.work_order_id)
        self._orders[order.work_order_id] = order
        if known is None or known.state is not order.state:
            remote = f"task {order.remote_id} in the ERP" if order.remote_id else "on its way"
            self.tell(f"WORK ORDER  {order.title}: {order.state} ({remote})", "cyan")

    async def run(self, weft: Weft) -> None:
        """Draw until cancelled; elsewhere than on a terminal, say every ten seconds how it goes."""
        if self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False, screen=False) as live:
                while True:
                    live.update(self._draw(weft), refresh=True)
                    await asyncio.sleep(REFRESH_S)
        while True:
            await asyncio.sleep(10)
            self.tell(self._summary(weft))

    def _summary(self, weft: Weft) -> str:
        fleet = self._fleet
        sent, refused = (fleet.sent, fleet.refused) if fleet else (0, 0)
        live = weft.identity.connections.count(MAIN)
        return (
            f"{live} connections, {sent} messages kept, {refused} refused, "
            f"{len(self._alarms)} alarms, {len(self._orders)} work orders"
        )

    def _draw(self, weft: Weft) -> Group:
        width, height = self._console.size
        summary = Text(self._summary(weft), no_wrap=True, overflow="ellipsis")
        members = list(self._fleet.members.values()) if self._fleet else []
        room = height - 2 - (1 + FRAME)  # the summary and the cursor; the head of the plant
        shown, left_out = self._most_urgent(members, max(room - EVENTS_MIN - FRAME, 1))
        room -= len(shown) + (1 if left_out else 0)
        parts: list[RenderableType] = [self._plant(shown, left_out, width), summary]
        hints = self._hints(self._started) if self._started is not None else None
        if hints is not None and self._fits(hints, width, room - EVENTS_SHOWN - FRAME):
            room -= len(hints.plain.splitlines()) + FRAME
            parts.append(Panel(hints, title="Try"))
        else:
            room -= 1
            parts.append(Text("What to try: above. Stop: Ctrl-C."))
        events = list(self._events)[-max(min(room - FRAME, EVENTS_SHOWN), 1) :]
        parts.insert(2, Panel(Group(*events), title="What happens"))
        return Group(*parts)

    def _most_urgent(self, members: list[Member], room: int) -> tuple[list[Member], int]:
        """Return the machines to show, in their order, and how many have no place."""
        if len(members) <= room:
            return members, 0
        urgent = sorted(members, key=lambda m: m.device_id not in self._alarms and m.connected)
        chosen = {member.device_id for member in urgent[: room - 1]}
        return [m for m in members if m.device_id in chosen], len(members) - len(chosen)

    def _plant(self, members: list[Member], left_out: int, width: int) -> Panel:
        values = VALUES[: max((width - NAME_WIDTH) // VALUE_WIDTH, 0)]
        table = Table(expand=True, box=None, header_style="bold")
        for title in ("machine", *values, "state"):
            words = title in {"machine", "state"}
            table.add_column(title, justify="left" if words else "right", no_wrap=True)
        for member in members:
            table.add_row(*self._row(member, values))
        if left_out:
            table.add_row(Text(f"and {left_out} more", style="dim"))
        return Panel(table, title="Factory")

    @staticmethod
    def _fits(hints: Text, width: int, room: int) -> bool:
        lines = hints.plain.splitlines()
        return len(lines) + FRAME <= room and max(map(len, lines)) <= width - 2 * FRAME

    def _row(self, member: Member, values: Sequence[str]) -> list[Text]:
        cells = [
            Text("-" if member.last.get(key) is None else f"{member.last[key]:,}") for key in values
        ]
        alarm = self._alarms.get(member.device_id)
        if alarm is not None:
            state = Text(alarm.rule_id, style=COLOURS[alarm.severity])
        elif member.connected:
            state = Text("ok", style="green")
        else:
            state = Text(member.trouble or "away", style="red")
        return [Text(member.device_id), *cells, state]

    def _hints(self, started: Started) -> Text:
        weft, endpoints = typed(started.data), started.endpoints
        lines = [
            f"API           {endpoints.http or endpoints.https}/api/v1    MQTT {endpoints.mqtt}",
            f"ERP tasks     {self._erp_url}",
            f"alarms        {weft} alarm list",
            f"work orders   {weft} work-order list",
            f"refused       {weft} rejection list",
            f"live          {weft} watch",
            f"own device    {weft} device add my-device",
        ]
        if started.sign_up_token:
            base = endpoints.http or endpoints.https
            lines.append(f"sign up       {base}/sign-up#{started.sign_up_token}")
        return Text("\n".join([*lines, "Stop with Ctrl-C."]))

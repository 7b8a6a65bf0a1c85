"""What the demonstration shows in the terminal: the plant, what happens, what to try."""

import asyncio
import time
from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from weft.api.snippets import Endpoints
from weft.app.compose import MAIN, Weft
from weft.app.serve import Started
from weft.cli.simulation.fleet import Fleet, Member
from weft.model.alarm import Alarm, AlarmState, WorkOrder

EVENTS_SHOWN = 10
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
        if not self._console.is_terminal:
            self._console.print(self._hints(started.endpoints))
        self.tell(f"Weft is ready after {started.ready_s:.1f} s")

    def show(self, fleet: Fleet) -> None:
        """The plant is there."""
        self._fleet = fleet

    def tell(self, text: str, style: str = "") -> None:
        """Something happened."""
        line = Text(f"{time.monotonic() - self._began:6.1f} s  {text}", style=style)
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
        members = self._fleet.members.values() if self._fleet else ()
        table = Table(expand=True, box=None, header_style="bold")
        for title in ("machine", "temperature", "vibration", "rotations", "power", "state"):
            words = title in {"machine", "state"}
            table.add_column(title, justify="left" if words else "right")
        for member in members:
            table.add_row(*self._row(member))
        parts = [
            Panel(table, title="Factory", subtitle=self._summary(weft)),
            Panel(Group(*self._events), title="What happens"),
        ]
        if self._started is not None:
            parts.append(Panel(self._hints(self._started.endpoints), title="Try"))
        return Group(*parts)

    def _row(self, member: Member) -> list[Text]:
        values = [
            Text("-" if member.last.get(key) is None else f"{member.last[key]:,}")
            for key in ("temperature", "vibration", "rotations", "power")
        ]
        alarm = self._alarms.get(member.device_id)
        if alarm is not None:
            state = Text(alarm.rule_id, style=COLOURS[alarm.severity])
        elif member.connected:
            state = Text("ok", style="green")
        else:
            state = Text(member.trouble or "away", style="red")
        return [Text(member.device_id), *values, state]

    def _hints(self, endpoints: Endpoints) -> Text:
        started = self._started
        data = f" --data {started.data}" if started else ""
        lines = [
            f"API           {endpoints.http}/api/v1    MQTT {endpoints.mqtt}",
            f"ERP tasks     {self._erp_url}",
            f"alarms        weft{data} alarm list",
            f"work orders   weft{data} work-order list",
            f"refused       weft{data} rejection list",
            f"live          weft{data} watch",
            f"own device    weft{data} device add my-device",
        ]
        if started is not None and started.sign_up_token:
            lines.append(f"sign up       {endpoints.http}/sign-up#{started.sign_up_token}")
        return Text("\n".join([*lines, "Stop with Ctrl-C."]))

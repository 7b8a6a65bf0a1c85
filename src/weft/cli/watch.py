"""`weft watch`: what devices send and what comes of it, live in the terminal.

It reads the API's live stream and comes back where it was: after a break it asks for what
it missed by the id of the last event, and reads alarms and work orders again. For a
terminal it draws a screen; otherwise it writes a line an event.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
from rich.console import Console
from rich.live import Live

from weft.cli.client import NoServer, Refused, find_client
from weft.cli.events import EventReader, ServerSent
from weft.cli.watch_screen import json_line, plain_line, screen
from weft.cli.watching import Watched
from weft.model.alarm import AlarmState, WorkOrderState

PAUSES_S = (0.2, 1.0, 2.0, 5.0)  # between tries to connect again; the last one repeats
CHUNK_BYTES = 65_536
REFRESH_PER_S = 4
RECORDS_READ = 500  # of each state; of these the newest are shown
OPEN_ALARMS = (AlarmState.ACTIVE, AlarmState.ACKNOWLEDGED)
OPEN_ORDERS = (
    WorkOrderState.REQUESTED,
    WorkOrderState.OPEN,
    WorkOrderState.IN_PROGRESS,
    WorkOrderState.FAILED,
)

Event = tuple[str, str, dict[str, Any]]  # kind, id, data


class Watcher:
    """Follows a live stream through breaks; `note` says how it stands."""

    def __init__(
        self,
        data: Path,
        tenant: str,
        asked: Sequence[tuple[str, str]] = (),
        *,
        since: str = "",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.note = ""
        self.last_id = since
        self._data = data
        self._tenant = tenant
        self._pause = pause
        self._tries: int | None = None  # since the last connection; None before the first one
        self._path = "/live" + (f"?{urlencode(asked)}" if asked else "")

    def events(self, opened: Callable[[], None]) -> Iterator[Event]:
        """Yield events until interrupted; `opened` is called at each new connection.

        Raises `NoServer` only when there never was a connection, `Refused` for a refusal
        that trying again does not mend.
        """
        while True:
            try:
                yield from self._follow(opened)
            except (NoServer, Refused) as error:
                is_final = isinstance(error, Refused) and error.status < 500
                if is_final or self._tries is None:
                    raise
                self.note = f"{error.detail} Trying again."
            tries = self._tries or 0
            self._pause(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
            self._tries = tries + 1

    def _follow(self, opened: Callable[[], None]) -> Iterator[Event]:
        # A client for each connection: the operator's token lives for a minute.
        client = find_client(self._data, self._tenant)
        headers = {"Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        reader = EventReader()
        reader.last_id = self.last_id
        with client.stream(self._path, headers) as response:
            self._tries, self.note = 0, ""
            opened()
            while chunk := response.read1(CHUNK_BYTES):
                for event in reader.feed(chunk):
                    self.last_id = event.last_id
                    if event.kind != "end":
                        yield _decoded(event)

    def records(self, path: str, states: Sequence[str]) -> list[dict[str, Any]]:
        """Return the records of a list that are in one of these states."""
        client = find_client(self._data, self._tenant)
        asked = [urlencode({"state": state, "limit": RECORDS_READ}) for state in states]
        return [
            one for query in asked for one in client.send("GET", f"{path}?{query}").value["items"]
        ]


def _decoded(event: ServerSent) -> Event:
    return event.kind, event.last_id, json.loads(event.data)


@click.command("watch")
@click.option("--devices", "-d", multiple=True, help="Only this device; may be repeated.")
@click.option("--kinds", "-k", multiple=True, help="Only this kind, as telemetry or alarm.")
@click.option("--since", default="", help="Begin behind this journal position.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many events.")
@click.option("--plain", is_flag=True, help="A line an event, as without a terminal.")
@click.option("--json", "as_json", is_flag=True, help="A JSON document an event.")
@click.pass_context
def watch(
    ctx: click.Context,
    /,
    devices: tuple[str, ...],
    kinds: tuple[str, ...],
    since: str,
    count: int | None,
    **form: bool,
) -> None:
    """Watch live what happens, until Ctrl-C."""
    as_json = form["as_json"] or ctx.obj["json"]
    asked = [("devices", name) for name in devices] + [("kinds", name) for name in kinds]
    watcher = Watcher(ctx.obj["data"], ctx.obj["tenant"], asked, since=since)
    try:
        if as_json or form["plain"] or not sys.stdout.isatty():
            write_lines(watcher, count, as_json=as_json)
        else:
            draw(watcher, count)
    except KeyboardInterrupt:
        click.echo()


def write_lines(watcher: Watcher, count: int | None, *, as_json: bool) -> None:
    """Write a line an event."""
    seen = 0
    for kind, last_id, data in watcher.events(lambda: None):
        if kind == "gap" and not data.get("missed"):
            continue  # only that changes are not sent again, after a break
        click.echo(json_line(kind, last_id, data) if as_json else plain_line(kind, data))
        seen += 1
        if count is not None and seen >= count:
            return


def draw(watcher: Watcher, count: int | None, console: Console | None = None) -> None:
    """Draw a screen, some times a second."""
    console = console or Console(highlight=False)
    watched = Watched()

    def opened() -> None:
        watched.load(
            watcher.records("/alarms", OPEN_ALARMS), watcher.records("/work-orders", OPEN_ORDERS)
        )

    seen = 0
    with Live(
        get_renderable=lambda: screen(watched, watcher.note, console.height),
        console=console,
        refresh_per_second=REFRESH_PER_S,
        vertical_overflow="crop",
    ):
        for kind, _, data in watcher.events(opened):
            watched.take(kind, data, int(time.time()))
            seen += 1
            if count is not None and seen >= count:
                return

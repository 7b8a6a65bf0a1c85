"""Server-sent events as a client reads them (HTML, 9.2): bytes in, events out, no I/O."""

from msgspec import Struct


class ServerSent(Struct, frozen=True):
    """One event."""

    kind: str
    data: str
    last_id: str


class EventReader:
    """Cuts a stream into events, wherever its chunks begin and end."""

    def __init__(self) -> None:
        self._rest = b""
        self._kind = ""
        self._data: list[str] = []
        self.last_id = ""

    def feed(self, chunk: bytes) -> list[ServerSent]:
        """Take bytes; return the events that they complete."""
        self._rest += chunk
        *lines, self._rest = self._rest.split(b"\n")
        found = (self._line(line.rstrip(b"\r").decode("utf-8", "replace")) for line in lines)
        return [event for event in found if event is not None]

    def _line(self, line: str) -> ServerSent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self.last_id = value
        return None  # comments, `retry` and what is unknown are passed over

    def _dispatch(self) -> ServerSent | None:
        kind, data = self._kind or "message", self._data
        self._kind, self._data = "", []
        return ServerSent(kind, "\n".join(data), self.last_id) if data else None

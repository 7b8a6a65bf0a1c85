"""The HTTP listeners' application: requests to one, WebSockets to whoever has the path."""

from collections.abc import MutableMapping
from typing import Any

from weft.app.sockets import Sockets


async def test_each_goes_where_it_belongs() -> None:
    """A WebSocket at a path that nobody has is answered, not left to the server's own error."""
    seen: list[str] = []
    sent: list[MutableMapping[str, Any]] = []

    async def requests(*_: Any) -> None:
        seen.append("request")

    async def mqtt(*_: Any) -> None:
        seen.append("mqtt")

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    sockets = Sockets(requests, {"/mqtt": mqtt})
    await sockets({"type": "http", "path": "/mqtt"}, receive, send)
    await sockets({"type": "websocket", "path": "/mqtt"}, receive, send)
    assert (seen, sent) == (["request", "mqtt"], [])
    await sockets({"type": "websocket", "path": "/api/v1/live"}, receive, send)
    assert sent[0]["status"] == 404
    assert seen == ["request", "mqtt"]

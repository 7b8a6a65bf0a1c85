"""The HTTP listeners' one application: requests to the API, WebSockets to who speaks on a path."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from weft.transports.websocket.door import refuse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Sockets:
    """WebSockets by path, in front of the application that answers everything else."""

    def __init__(self, application: Application, by_path: Mapping[str, Application]) -> None:
        self._application = application
        self._by_path = by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on one request or one WebSocket (ASGI 3)."""
        if scope["type"] != "websocket":
            await self._application(scope, receive, send)
            return
        found = self._by_path.get(scope["path"])
        if found is None:
            await receive()
            await refuse(send, HTTPStatus.NOT_FOUND, "There is no WebSocket at this path.")
            return
        await found(scope, receive, send)

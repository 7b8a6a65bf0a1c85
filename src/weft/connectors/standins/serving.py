"""Serving a stand-in: a process of its own on the loopback interface.

`/orders.json` lists its records for programs and `/` for people; everything else is the
interface of the system that it stands for. It answers nobody who names it otherwise than by
its loopback address, and reads no endless body.
"""

import asyncio
import html
import json
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import uvicorn

from weft.connectors.standins.desk import Desk, Heard, Order, Refused, Said, StandIn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BODY_BYTES_MAX = 64 * 1024
_STATES = ("open", "in progress", "done")
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
    "content-type": "text/html; charset=utf-8",
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="3"><title>Orders</title><style>
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
td,th{text-align:left;vertical-align:top;padding:.5rem;border-bottom:1px solid #ccc}
pre{font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;margin:0}</style>
<h1>Orders</h1><p>A stand-in for KIND. A simulated technician closes them.</p>
<table><tr><th>No.</th><th>Order</th><th>State</th></tr>ROWS</table></html>"""


class Served:
    """A stand-in as an ASGI application."""

    def __init__(self, name: str, stand_in: StandIn) -> None:
        self._name = name
        self._stand_in = stand_in

    @property
    def desk(self) -> Desk:
        """What it keeps."""
        return self._stand_in.desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http":
            return
        try:
            heard = await _heard(scope, receive)
            status, headers, body = self._answer(heard)
        except Refused as refused:
            status, headers, body = refused.status, {}, refused.why.encode()
        pairs = {**headers, "content-length": str(len(body))}
        encoded = [(name.lower().encode(), text.encode()) for name, text in pairs.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    async def keep_working(self) -> None:
        """Have the technician at work until cancelled."""
        while True:
            self.desk.work()
            await asyncio.sleep(0.2)

    def _answer(self, heard: Heard) -> tuple[int, dict[str, str], bytes]:
        if heard.headers.get("host", "").partition(":")[0] not in {"127.0.0.1", "localhost"}:
            raise Refused(400, "This is 127.0.0.1 or localhost only.")
        if heard.method == "GET" and heard.target == "/":
            rows = "".join(map(_row, reversed(self.desk.orders.values())))
            page = _PAGE.replace("KIND", html.escape(self._name)).replace("ROWS", rows)
            return 200, _HEADERS, page.encode()
        if heard.method == "GET" and heard.target == "/orders.json":
            shown = [_shown(order) for order in self.desk.orders.values()]
            said = Said(shown)
        else:
            said = self._stand_in.answer(heard)
        kind = {} if said.value is None else {"content-type": "application/json"}
        return said.status, {**kind, **said.headers}, said.body


async def _heard(scope: Scope, receive: Receive) -> Heard:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _BODY_BYTES_MAX:
            raise Refused(413)
        more = message.get("more_body", False)
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"]
    target = (path + (b"?" + query if query else b"")).decode("latin-1")
    headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
    return Heard(scope["method"], target, headers, body)


def read_or_make_key(path: Path) -> str:
    """Return the key in a file; make one that only its owner reads where there is none."""
    if path.exists():
        return path.read_text().strip()
    key = secrets.token_urlsafe(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key)
    return key


def as_toml(name: str, table: dict[str, Any]) -> str:
    """Return `[connectors.NAME]` with these values, to be pasted into the configuration."""
    lines = [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join([f"[connectors.{name}]", *lines, ""])


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)  # texts, numbers and bools are written alike


def _key(text: str) -> str:
    return text if text.replace("_", "").isalnum() and text.isascii() else json.dumps(text)


class Working(Protocol):
    """An ASGI application with somebody at work behind it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...

    async def keep_working(self) -> None:
        """Work until cancelled."""
        ...


async def serve(app: Working, listener: socket.socket) -> None:
    """Serve until told to stop."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    async with asyncio.TaskGroup() as group:
        technician = group.create_task(app.keep_working())
        await uvicorn.Server(config).serve(sockets=[listener])
        technician.cancel()


def _row(order: Order) -> str:
    details = msgspec.json.format(msgspec.json.encode(_shown(order)), indent=2).decode()
    return (
        f"<tr><td>{order.number}</td><td><pre>{html.escape(details)}</pre></td>"
        f"<td>{_STATES[order.state]}</td></tr>"
    )


def _shown(order: Order) -> dict[str, Any]:
    return {
        "number": order.number,
        "key": order.key,
        "state": _STATES[order.state],
        "values": order.values,
        "notes": order.notes,
    }

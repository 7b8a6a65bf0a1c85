"""A stand-in for an ERP: the part of Tryton's REST interface that our connector uses.

For the demo and for tests, as a process of its own: `python -m weft.connectors.standin`. It
listens on the loopback interface only and keeps tasks in memory, or in a JSON file. A
simulated technician works on each task and closes it. `/` lists the tasks for people and
`/tasks.json` for programs. It is no ERP, and nothing of Weft knows it from the real one.
"""

import asyncio
import base64
import html
import json
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import click
import msgspec
from msgspec import Struct, field

from weft.connectors.standins.serving import read_or_make_key, serve
from weft.supervision import SystemClock

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

DATABASE = "demo"
NS_PER_S = 1_000_000_000
_BODY_BYTES_MAX = 64 * 1024
_TASKS_MAX = 10_000
_STATUSES: dict[int, dict[str, Any]] = {
    1: {"id": 1, "name": "Open", "progress": None},
    2: {"id": 2, "name": "In progress", "progress": 0.5},
    3: {"id": 3, "name": "Done", "progress": 1.0},
}


class Refused(Exception):
    """A request that is answered with a status and, perhaps, a word on why."""

    def __init__(self, status: HTTPStatus, why: str = "") -> None:
        super().__init__(why or status.phrase)
        self.status = status


class Task(Struct):
    """A task of the maintenance department."""

    id: int
    name: str
    comment: str
    made_at: int  # ns UTC
    status: int = 1
    notes: list[str] = field(default_factory=list)


class Department:
    """The tasks and the technician. `file` keeps them over a restart."""

    def __init__(self, *, repair_after_s: float, file: Path | None = None) -> None:
        self.tasks: dict[int, Task] = {}
        self._repair_after_ns = round(repair_after_s * NS_PER_S)
        self._file = file
        if file is not None and file.exists():
            stored = msgspec.json.decode(file.read_bytes(), type=list[Task])
            self.tasks = {task.id: task for task in stored}

    def add(self, values: dict[str, Any], now: int) -> Task:
        """Take in a task."""
        name, comment = values.get("name"), values.get("comment")
        if not isinstance(name, str) or not name or len(self.tasks) >= _TASKS_MAX:
            why = "A task has a name, and there is room for 10,000."
            raise Refused(HTTPStatus.BAD_REQUEST, why)
        task = Task(max(self.tasks, default=0) + 1, name, str(comment or ""), now)
        self.tasks[task.id] = task
        self.store()
        return task

    def work(self, now: int) -> None:
        """Let the technician begin and finish what is due; 0 seconds: nobody works."""
        before = [task.status for task in self.tasks.values()]
        for task in self.tasks.values():
            age = now - task.made_at
            if self._repair_after_ns and age >= self._repair_after_ns:
                task.status = 3
            elif self._repair_after_ns and task.status == 1 and age >= self._repair_after_ns // 3:
                task.status = 2
        if before != [task.status for task in self.tasks.values()]:
            self.store()

    def store(self) -> None:
        """Write the file, if there is one."""
        if self._file is not None:
            whole = self._file.with_suffix(".new")
            whole.write_bytes(msgspec.json.encode(list(self.tasks.values())))
            whole.replace(self._file)

    def get(self, task_id: int) -> Task:
        """Return a task, or answer 404."""
        task = self.tasks.get(task_id)
        if task is None:
            raise Refused(HTTPStatus.NOT_FOUND)
        return task

    def search(self, domain: list[Any], limit: int) -> list[Task]:
        """Return the tasks that every clause is true of."""
        tests = [_test_of(clause) for clause in domain]
        found = [task for task in self.tasks.values() if all(test(task) for test in tests)]
        return found[:limit]


def _test_of(clause: Any) -> Callable[[Task], bool]:
    match clause:
        case ["comment", "like", str(pattern)]:
            return lambda task: pattern.strip("%") in task.comment
        case ["id", "in", [*ids]]:
            return lambda task: task.id in ids
        case _:
            why = "This stand-in knows `comment like` and `id in` only."
            raise Refused(HTTPStatus.BAD_REQUEST, why)


class Request:
    """One request: its headers, its query, and the task that its path names."""

    def __init__(self, scope: Scope, receive: Receive, task_id: int) -> None:
        self._receive = receive
        self.task_id = task_id
        self.query = parse_qs(scope["query_string"].decode("latin-1"))
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }

    async def read(self) -> bytes:
        """Return the body; refuse one that is too large."""
        body = b""
        more = True
        while more:
            message = await self._receive()
            body += message.get("body", b"")
            if len(body) > _BODY_BYTES_MAX:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            more = message.get("more_body", False)
        return body


class Answer(Struct, frozen=True):
    """What is sent back."""

    content: bytes
    media_type: str = "application/json"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Awaitable[Answer]]


def _json(value: Any) -> Answer:
    return Answer(msgspec.json.encode(value))


class StandIn:
    """The HTTP interface of the department."""

    def __init__(self, department: Department, key: str, clock: SystemClock) -> None:
        self._department = department
        self._key = key
        self._clock = clock
        model = f"/{DATABASE}/rest/model"
        work = re.escape(f"{model}/project.work")
        paths: dict[str, dict[str, Handler]] = {
            work: {"GET": self._search, "POST": self._create},
            work + r"/(\d{1,9})": {"GET": self._read, "PUT": self._update},
            re.escape(f"{model}/project.work.status"): {"GET": self._statuses},
            re.escape(f"{model}/ir.chat.channel/get"): {"POST": self._notes},
            re.escape(f"{model}/ir.chat.channel/post"): {"POST": self._note},
            re.escape("/tasks.json"): {"GET": self._list},
            "/": {"GET": self._page},
        }
        self._paths = [(re.compile(pattern), handlers) for pattern, handlers in paths.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except Refused as refused:
            answer = Answer(str(refused).encode(), "text/plain; charset=utf-8", refused.status)
        length = ("content-length", str(len(answer.content)))
        head = (("content-type", answer.media_type), length, *answer.headers)
        headers = [(name.encode(), value.encode()) for name, value in head]
        await send(
            {"type": "http.response.start", "status": int(answer.status), "headers": headers}
        )
        await send({"type": "http.response.body", "body": answer.content})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        for pattern, handlers in self._paths:
            found = pattern.fullmatch(scope["path"])
            if found is None:
                continue
            handler = handlers.get(scope["method"])
            if handler is None:
                raise Refused(HTTPStatus.METHOD_NOT_ALLOWED)
            request = Request(scope, receive, int(found[1]) if found.groups() else 0)
            _require_own_name(request.headers.get("host", ""))
            return await handler(request)
        raise Refused(HTTPStatus.NOT_FOUND)

    async def keep_working(self) -> None:
        """Have the technician at work until cancelled."""
        while True:
            self._department.work(self._clock.now())
            await asyncio.sleep(0.5)

    def _admit(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"bearer {self._key}".encode()):
            raise Refused(HTTPStatus.UNAUTHORIZED)

    async def _body(self, request: Request) -> dict[str, Any]:
        self._admit(request)
        try:
            return msgspec.json.decode(await request.read(), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST) from error

    async def _search(self, request: Request) -> Answer:
        self._admit(request)
        try:
            domain = json.loads(base64.urlsafe_b64decode(request.query.get("d", ["W10="])[0]))
            limit = int(request.query.get("s", ["100"])[0])
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST) from error
        return _json([_shown(task) for task in self._department.search(domain, limit)])

    async def _create(self, request: Request) -> Answer:
        values = await self._body(request)
        return _json(_shown(self._department.add(values, self._clock.now())))

    async def _read(self, request: Request) -> Answer:
        self._admit(request)
        return _json(_shown(self._department.get(request.task_id)))

    async def _update(self, request: Request) -> Answer:
        values = await self._body(request)
        task = self._department.get(request.task_id)
        if values.get("status") not in _STATUSES:
            raise Refused(HTTPStatus.BAD_REQUEST)
        task.status = values["status"]
        self._department.store()
        return _json(_shown(task))

    async def _statuses(self, request: Request) -> Answer:
        self._admit(request)
        return _json(list(_STATUSES.values()))

    async def _notes(self, request: Request) -> Answer:
        task = self._task_of(await self._body(request))
        return _json([{"content": note} for note in task.notes])

    async def _note(self, request: Request) -> Answer:
        values = await self._body(request)
        task = self._task_of(values)
        task.notes.append(str(values.get("content", "")))
        self._department.store()
        return _json(len(task.notes))

    def _task_of(self, values: dict[str, Any]) -> Task:
        model, _, task_id = str(values.get("resource", "")).partition(",")
        if model != "project.work" or not task_id.isdecimal():
            raise Refused(HTTPStatus.BAD_REQUEST)
        return self._department.get(int(task_id))

    async def _list(self, _request: Request) -> Answer:
        return _json([_shown(task) for task in self._department.tasks.values()])

    async def _page(self, _request: Request) -> Answer:
        rows = "".join(_row(task) for task in reversed(self._department.tasks.values()))
        content = _PAGE.replace("ROWS", rows).encode()
        return Answer(content, "text/html; charset=utf-8", headers=_PAGE_HEADERS)


def _require_own_name(host: str) -> None:
    """Refuse names that were rebound to the loopback address."""
    if host.partition(":")[0] not in {"127.0.0.1", "localhost"}:
        raise Refused(HTTPStatus.BAD_REQUEST, "This is 127.0.0.1 or localhost only.")


_PAGE_HEADERS = (
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("x-content-type-options", "nosniff"),
)
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="3">
<title>Maintenance tasks</title><style>
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
td,th{text-align:left;vertical-align:top;padding:.5rem;border-bottom:1px solid #ccc}
pre{font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;margin:0}</style>
<h1>Maintenance tasks</h1><p>A stand-in for an ERP. A simulated technician closes the tasks.</p>
<table><tr><th>No.</th><th>Task</th><th>State</th></tr>ROWS</table></html>"""


def _row(task: Task) -> str:
    details = "\n".join([task.comment, *(f"» {note}" for note in task.notes)])
    return (
        f"<tr><td>{task.id}</td><td><b>{html.escape(task.name)}</b>"
        f"<details><summary>details</summary><pre>{html.escape(details)}</pre></details></td>"
        f"<td>{_STATUSES[task.status]['name']}</td></tr>"
    )


def _shown(task: Task) -> dict[str, Any]:
    status = _STATUSES[task.status]
    return {
        "__name__": "project.work",
        "id": task.id,
        "rec_name": task.name,
        "name": task.name,
        "comment": task.comment,
        "progress": status["progress"],
        "status": {"__name__": "project.work.status", **status},
        "notes": task.notes,
    }


def tryton_settings(url: str, secret: str) -> dict[str, Any]:
    """Return what the connector needs; `secret` is a reference."""
    return {"kind": "tryton", "url": url, "database": DATABASE, "key": secret}


@click.command()
@click.option("--port", default=0, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File with the key that callers present; made if it is not there.",
)
@click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file that keeps the tasks over a restart.",
)
@click.option("--repair-after", default=45.0, help="Seconds after which a task is done; 0: never.")
def main(port: int, key_file: Path, file: Path | None, repair_after: float) -> None:
    """Serve until told to stop; the first line says where, as JSON."""
    key = read_or_make_key(key_file)
    department = Department(repair_after_s=repair_after, file=file)
    stand_in = StandIn(department, key, SystemClock())
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    click.echo(json.dumps({"url": url, "database": DATABASE, "key_file": str(key_file)}))
    asyncio.run(serve(stand_in, listener))


if __name__ == "__main__":
    main()

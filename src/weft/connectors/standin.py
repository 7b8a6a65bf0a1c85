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
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
import uvicorn
from msgspec import Struct, field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from weft.supervision import SystemClock

DATABASE = "demo"
NS_PER_S = 1_000_000_000
_BODY_BYTES_MAX = 64 * 1024
_TASKS_MAX = 10_000
_STATUSES: dict[int, dict[str, Any]] = {
    1: {"id": 1, "name": "Open", "progress": None},
    2: {"id": 2, "name": "In progress", "progress": 0.5},
    3: {"id": 3, "name": "Done", "progress": 1.0},
}


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
            raise HTTPException(400, "A task has a name, and there is room for 10,000.")
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
            raise HTTPException(404)
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
            raise HTTPException(400, "This stand-in knows `comment like` and `id in` only.")


class StandIn:
    """The HTTP interface of the department."""

    def __init__(self, department: Department, key: str, clock: SystemClock) -> None:
        self._department = department
        self._key = key
        self._clock = clock

    def app(self) -> Starlette:
        """Return the routes, with the technician at work while they are served."""
        model = f"/{DATABASE}/rest/model"
        return Starlette(
            routes=[
                Route(f"{model}/project.work", self._search, methods=["GET"]),
                Route(f"{model}/project.work", self._create, methods=["POST"]),
                Route(f"{model}/project.work/{{task_id:int}}", self._read, methods=["GET"]),
                Route(f"{model}/project.work/{{task_id:int}}", self._update, methods=["PUT"]),
                Route(f"{model}/project.work.status", self._statuses, methods=["GET"]),
                Route(f"{model}/ir.chat.channel/get", self._notes, methods=["POST"]),
                Route(f"{model}/ir.chat.channel/post", self._note, methods=["POST"]),
                Route("/tasks.json", self._list, methods=["GET"]),
                Route("/", self._page, methods=["GET"]),
            ],
            # Names that are rebound to the loopback address do not come in.
            middleware=[
                Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            technician = group.create_task(self._work())
            yield
            technician.cancel()

    async def _work(self) -> None:
        while True:
            self._department.work(self._clock.now())
            await asyncio.sleep(0.5)

    def _admit(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"bearer {self._key}".encode()):
            raise HTTPException(401)

    async def _body(self, request: Request) -> dict[str, Any]:
        self._admit(request)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _BODY_BYTES_MAX:
                raise HTTPException(413)
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise HTTPException(400) from error

    async def _search(self, request: Request) -> Response:
        self._admit(request)
        try:
            domain = json.loads(base64.urlsafe_b64decode(request.query_params.get("d", "W10=")))
            limit = int(request.query_params.get("s", "100"))
        except ValueError as error:
            raise HTTPException(400) from error
        return JSONResponse([_shown(task) for task in self._department.search(domain, limit)])

    async def _create(self, request: Request) -> Response:
        values = await self._body(request)
        return JSONResponse(_shown(self._department.add(values, self._clock.now())))

    async def _read(self, request: Request) -> Response:
        self._admit(request)
        return JSONResponse(_shown(self._department.get(request.path_params["task_id"])))

    async def _update(self, request: Request) -> Response:
        values = await self._body(request)
        task = self._department.get(request.path_params["task_id"])
        if values.get("status") not in _STATUSES:
            raise HTTPException(400)
        task.status = values["status"]
        self._department.store()
        return JSONResponse(_shown(task))

    async def _statuses(self, request: Request) -> Response:
        self._admit(request)
        return JSONResponse(list(_STATUSES.values()))

    async def _notes(self, request: Request) -> Response:
        task = self._task_of(await self._body(request))
        return JSONResponse([{"content": note} for note in task.notes])

    async def _note(self, request: Request) -> Response:
        values = await self._body(request)
        task = self._task_of(values)
        task.notes.append(str(values.get("content", "")))
        self._department.store()
        return JSONResponse(len(task.notes))

    def _task_of(self, values: dict[str, Any]) -> Task:
        model, _, task_id = str(values.get("resource", "")).partition(",")
        if model != "project.work" or not task_id.isdecimal():
            raise HTTPException(400)
        return self._department.get(int(task_id))

    async def _list(self, _request: Request) -> Response:
        return JSONResponse([_shown(task) for task in self._department.tasks.values()])

    async def _page(self, _request: Request) -> Response:
        rows = "".join(_row(task) for task in reversed(self._department.tasks.values()))
        return HTMLResponse(_PAGE.replace("ROWS", rows), headers=_PAGE_HEADERS)


_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
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


def _read_or_make_key(path: Path) -> str:
    if path.exists():
        return path.read_text().strip()
    key = secrets.token_urlsafe(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key)
    return key


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
    key = _read_or_make_key(key_file)
    department = Department(repair_after_s=repair_after, file=file)
    app = StandIn(department, key, SystemClock()).app()
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    click.echo(json.dumps({"url": url, "database": DATABASE, "key_file": str(key_file)}))
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()

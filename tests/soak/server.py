"""`weft up` as a process of its own: started, asked over HTTP, killed and started again.

For tests of whole servers. Ports stay the same over restarts, as a device would find them;
what the server says on standard error is kept in a file beside its data folder.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
from tests.soak.warm import Forked, Warm

from weft.api.operator import Operator, read_key
from weft.app.compose import MAIN
from weft.supervision import SystemClock

HOST = "127.0.0.1"
START_S = 60.0
TOKEN_S = 30.0  # the operator's tokens live for a minute


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


class ServerProcess:
    """A Weft on one data folder; `warm` makes its starts quick."""

    def __init__(
        self,
        data: Path,
        *settings: str,
        environment: Mapping[str, str] | None = None,
        warm: Warm | None = None,
        entry: Sequence[str] = ("-m", "weft"),
    ) -> None:
        self.data = data
        self.mqtt_port = free_port()
        self.http_port = free_port()
        self.log = data.parent / f"{data.name}.log"
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self._warm = warm
        self._entry = entry
        self._settings = (
            f"transports.mqtt.listen={HOST}:{self.mqtt_port}",
            "transports.coap.listen=",
            f"api.listen={HOST}:{self.http_port}",
            "log.level=warning",
            *settings,
        )
        self._environment = {**os.environ, **(environment or {})}
        self._token = ""
        self._token_until = 0.0
        self._http: httpx2.AsyncClient | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    # --- the process ---

    def spawn(self, *before: str) -> subprocess.Popen[bytes] | Forked:
        """Start the process, behind a command such as `prlimit`; it is not waited for."""
        arguments = ["up", "--data", str(self.data)]
        for setting in self._settings:
            arguments += ["--set", setting]
        if self._warm is not None:
            self.process = self._warm.fork(arguments, self.log)
            return self.process
        command = [*before, sys.executable, *self._entry, *arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        return self.process

    async def start(self, *before: str) -> None:
        """Start, and wait until it serves."""
        process = self.spawn(*before)
        await self.wait_ready(process)

    async def wait_ready(self, process: subprocess.Popen[bytes] | Forked) -> None:
        """Wait until both listeners answer; say what it said if they never do."""
        ends_at = time.monotonic() + START_S
        for port in (self.mqtt_port, self.http_port):
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > ends_at:
                    raise AssertionError(f"Weft did not start: {self.said()[-4_000:]}")
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """`kill -9`: no good-bye, nothing flushed."""
        await self.forget_connections()
        assert self.process is not None
        self.process.kill()
        await asyncio.to_thread(self.process.wait)

    def interrupt(self) -> None:
        """Ask it to end in order, as Ctrl-C does; it is not waited for."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    async def stop(self) -> int:
        """End it in order; return the exit code."""
        await self.forget_connections()
        self.interrupt()
        assert self.process is not None
        try:
            return await asyncio.to_thread(self.process.wait, 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"Weft did not stop: {self.said()[-4_000:]}") from None

    def said(self) -> str:
        """Return what it wrote to standard error since the first start."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # --- its API ---

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Ask the REST API as the operator of the machine, below /api/v1."""
        if self._http is None:
            self._http = httpx2.AsyncClient(base_url=f"{self.url}/api/v1", trust_env=False)
        sent = {"Authorization": f"Bearer {self._sign()}", **(headers or {})}
        content: bytes | None = None
        if isinstance(body, bytes):
            content = body
        elif body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        return await self._http.request(
            method, path, content=content, params=params, headers=sent, timeout=60
        )

    async def get(self, path: str, **params: Any) -> Any:
        """Return the JSON that a GET answers; wait where we have asked too often."""
        answer = await self.ask("GET", path, params=params)
        while answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            answer = await self.ask("GET", path, params=params)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def post(self, path: str, body: Any = None) -> Any:
        """Return the JSON that a POST answers."""
        answer = await self.ask("POST", path, body)
        assert answer.is_success, f"POST {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def pages(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Return the items of all pages of a list."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, **params, **cursor)
            items += page["items"]
            if page.get("next") is None:
                return items
            cursor = {"cursor": page["next"]}

    def _sign(self) -> str:
        if time.monotonic() > self._token_until:
            operator = Operator(read_key(self.data), SystemClock())
            self._token = operator.make_token(MAIN)
            self._token_until = time.monotonic() + TOKEN_S
        return self._token

    async def forget_connections(self) -> None:
        """Close what is open towards the API; the next question opens it anew."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


@asynccontextmanager
async def serving(data: Path, *settings: str) -> AsyncIterator[ServerProcess]:
    """Run a server inside the context; it is ended in order unless it has gone already."""
    server = ServerProcess(data, *settings)
    try:
        await server.start()
        yield server
    finally:
        await server.forget_connections()
        if server.process is not None and server.process.poll() is None:
            await server.stop()


@asynccontextmanager
async def standin(folder: Path, *options: str) -> AsyncIterator[tuple[str, Path]]:
    """Run the stand-in for an ERP; yield its address and the file with its key."""
    key_file = folder / "erp.key"
    command: Sequence[str] = (
        sys.executable, "-m", "weft.connectors.standin", "--key-file", str(key_file), *options,
    )  # fmt: skip
    process = subprocess.Popen(  # noqa: ASYNC220  takes a millisecond
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        yield json.loads(line)["url"], key_file
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)

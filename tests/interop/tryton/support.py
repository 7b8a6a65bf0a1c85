"""A real Tryton server for tests: a process of its own, on a loopback port, never imported.

Making its database takes about eight seconds; it is made once, kept in `.cache/tryton` under
the hash of the lock file, and copied for each server. The admin password is random, lives in
that folder, and opens nothing but these throw-away databases.
"""

import asyncio
import base64
import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[3]
BIN = ROOT / ".venv-tryton" / "bin"
LOCK = ROOT / "requirements" / "tryton.lock"
DATABASE = "weft"
START_S = 60.0
_FILES = (f"{DATABASE}.sqlite", "password", "key")


@dataclass
class Tryton:
    """A running server: where it is, and the key that opens it."""

    url: str
    key: str
    database: str
    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "key"

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the REST interface, as a person at Tryton would do with their own client."""
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            answer = await client.request(
                method,
                f"{self.url}/{self.database}/rest/model/{path}",
                json=body,
                headers={"Authorization": f"bearer {self.key}"},
            )
            answer.raise_for_status()
            return answer.json() if answer.content else None

    async def tasks(self) -> list[dict[str, Any]]:
        found = await self.ask("GET", "project.work?f=name&f=comment&f=status.name&f=progress")
        return sorted(found, key=lambda task: task["id"])

    async def complete(self, task_id: int) -> None:
        """Do what the technician does: set the task to the status that ends it."""
        statuses = await self.ask("GET", "project.work.status?f=name&f=progress")
        done = next(status["id"] for status in statuses if status["progress"] == 1.0)
        await self.ask("PUT", f"project.work/{task_id}", {"progress": 1.0, "status": done})

    async def notes(self, task_id: int) -> list[str]:
        body = {"resource": f"project.work,{task_id}"}
        said = await self.ask("POST", "ir.chat.channel/get", body)
        return [message["content"] for message in said]


@asynccontextmanager
async def tryton(folder: Path) -> AsyncIterator[Tryton]:
    """Run a server on a fresh copy of the prepared database."""
    prepared = await asyncio.to_thread(_prepared)
    for name in _FILES:
        shutil.copy(prepared / name, folder / name)
    with _serving(folder) as url:
        yield Tryton(url, (folder / "key").read_text(), DATABASE, folder)


def require_environment() -> None:
    """Make `.venv-tryton` if it is not there; skip where it cannot be made."""
    if (BIN / "trytond").exists():
        return
    made = subprocess.run([ROOT / "scripts" / "tryton-env"], capture_output=True, check=False)
    if made.returncode:
        reason = made.stderr.decode(errors="replace").strip().splitlines()[-1:]
        pytest.skip(f"scripts/tryton-env failed: {' '.join(reason)}")


def _prepared() -> Path:
    """Return the folder with the prepared database, made once for all test workers."""
    require_environment()
    what = LOCK.read_bytes() + Path(__file__).read_bytes()
    cache = ROOT / ".cache" / "tryton"
    target = cache / hashlib.sha256(what).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            half = target.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir(mode=0o700)
            _prepare(half)
            half.rename(target)
    return target


def _prepare(folder: Path) -> None:
    """Make a database with a company and a key for its REST interface."""
    password = secrets.token_urlsafe(24)
    (folder / "password").write_text(password)
    (folder / f"{DATABASE}.sqlite").touch()  # Tryton opens an SQLite file, it makes none
    config = _configure(folder, 0)
    command = [BIN / "trytond-admin", "-c", config, "-d", DATABASE, "-u", "project"]
    command += ["--activate-dependencies", "--email", "admin@plant.example", "-l", "en"]
    environment = {**os.environ, "TRYTONPASSFILE": str(folder / "password")}
    subprocess.run(
        command, env=environment, check=True, capture_output=True, stdin=subprocess.DEVNULL
    )
    with _serving(folder) as url:
        (folder / "key").write_text(_provision(url, password))
    with closing(sqlite3.connect(folder / f"{DATABASE}.sqlite")) as database:
        database.execute("PRAGMA journal_mode = DELETE")  # all of it into the one file


def _provision(url: str, password: str) -> str:
    """Make the company and the key over JSON-RPC, as an administrator's client does."""
    with httpx2.Client(base_url=f"{url}/{DATABASE}", timeout=30, trust_env=False) as client:

        def call(method: str, *params: Any) -> Any:
            answer = client.post("/rpc/", json={"id": 1, "method": method, "params": params})
            said = answer.json()
            assert "result" in said, said
            return said["result"]

        user, session, *_ = call("common.db.login", "admin", {"password": password}, "en")
        token = base64.b64encode(f"admin:{user}:{session}".encode()).decode()
        client.headers["Authorization"] = f"Session {token}"
        party = call("model.party.party.create", [{"name": "Plant"}], {})
        euro = {"name": "Euro", "code": "EUR", "symbol": "€"}
        currency = call("model.currency.currency.create", [euro], {})
        values = {"party": party[0], "currency": currency[0]}
        company = call("model.company.company.create", [values], {})
        mine = {"companies": [["add", company]], "company": company[0]}
        call("model.res.user.write", [user], mine, {})
        asked = client.post("/r/user/application/", json={"user": "admin", "application": "rest"})
        key = str(asked.json())
        wanted = [["key", "=", key]]
        found = call("model.res.user.application.search", wanted, 0, None, None, {})
        call("model.res.user.application.validate_", found, {})
        return key


def _configure(folder: Path, port: int) -> Path:
    config = folder / "trytond.conf"
    config.write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n"
        f"[web]\nlisten = 127.0.0.1:{port}\n"
        "[cache]\ntransactional = True\n"
    )
    return config


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Run trytond until the block ends; end no process but this one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = _configure(folder, port)
    with (folder / "trytond.log").open("ab") as log:
        process = subprocess.Popen(
            [BIN / "trytond", "-c", config, "-d", DATABASE],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        _wait_until_listening(process, port, folder / "trytond.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"trytond did not start: {log.read_text()[-2_000:]}")

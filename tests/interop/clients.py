"""Other platforms' device clients, each in a process of the environment that it needs.

A script below `tests/interop/*/clients/` is run there, unchanged libraries and all. It is told
what to do by its arguments, says what it saw as lines of JSON, and is ended with its test.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HEARD_WITHIN_S = 40.0  # a client waits for its own second now and then, and machines are busy


class Client:
    """A script that runs: what it said, and what it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.heard: list[dict[str, Any]] = []

    async def hear(self, what: str) -> dict[str, Any]:
        """Return the next thing of a kind that the script says, now or before."""
        while True:
            for number, said in enumerate(self.heard):
                if said["what"] == what:
                    return self.heard.pop(number)
            self.heard.append(await self._line(what))

    async def _line(self, wanted: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            raise AssertionError(f"no {wanted!r}; before: {self.heard}; {await self._errors()}")
        said: dict[str, Any] = json.loads(line)
        return said

    async def _errors(self) -> str:
        if self._process.returncode is None:
            self._process.kill()
        _, errors = await self._process.communicate()
        return errors.decode(errors="replace")[-2_000:]

    async def tell(self, what: str) -> None:
        """Say one word to the script."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n".encode())
        await self._process.stdin.drain()


def require_environment(name: str) -> Path:
    """Return an environment's Python; make the environment where it is not there yet."""
    python = ROOT / f".venv-{name}" / "bin" / "python"
    if not python.exists():
        subprocess.run([ROOT / "scripts" / "clients-env"], check=True, capture_output=True)
    return python


@asynccontextmanager
async def client(environment: str, script: Path, *arguments: str) -> AsyncIterator[Client]:
    """Run a script until the block ends; end no process but this one."""
    python = await asyncio.to_thread(require_environment, environment)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        python,
        "-u",
        script,
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=inherited,
        limit=1024 * 1024,
    )
    try:
        yield Client(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()

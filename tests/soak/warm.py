"""Servers forked from a process that has read Weft's code already: a start without the imports.

For many restarts in little time. What a forked server shares with the one before is code and
the seed of `hash`; everything else it reads from its data folder, as a cold one does.
"""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


class Forked:
    """A forked server; what is used of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)
        self._gone = False

    def poll(self) -> int | None:
        """Return None while it runs; how it ended is not known."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        ended = self._ended(timeout)
        if ended is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return ended

    def send_signal(self, number: int) -> None:
        if self._ended(0) is None:
            with suppress(ProcessLookupError):  # it ended in order, in this very moment
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if not self._gone:
            if not select.select([self._handle], [], [], timeout)[0]:
                return None
            os.close(self._handle)
            self._gone = True
        return 0


class Warm:
    """The process that forks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )

    def fork(self, arguments: list[str], log: Path) -> Forked:
        """Start `weft` with these arguments, its output going to `log`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(log), *arguments]), file=self._process.stdin, flush=True)
        return Forked(int(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


def main() -> None:
    """Fork a server for each line, and say its process id."""
    from weft.app import compose  # noqa: F401, PLC0415  this is what takes the time
    from weft.cli import serve  # noqa: F401, PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    for line in sys.stdin:
        log, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _serve(Path(log), arguments)
        print(pid, flush=True)


def _serve(log: Path, arguments: list[str]) -> None:
    from weft.cli.root import cli  # noqa: PLC0415  read already

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with log.open("ab") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        cli(arguments)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()

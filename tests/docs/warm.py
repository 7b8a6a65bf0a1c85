"""A `weft` whose code has been read already: pages are typed with it, a command a fork.

Most of what a command costs is reading its code: 0.8 s of processor time, 2 s for a server, and
the pages have some four hundred commands. A process that has read it all forks one for each;
what is typed is a small program of that name, which hands over its arguments, folder,
environment and files, hands signals on, and ends as the command ended. The README is typed
with the real one.
"""

import atexit
import gc
import importlib
import io
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_TYPED = """#!{python} -SEs
import json, os, signal, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
asked = {{"argv": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(link, [b"?"], [0, 1, 2])
link.sendall(json.dumps(asked).encode() + b"\\n")
for number in {signals}:
    signal.signal(number, lambda got, _frame: link.send(b"%d\\n" % got))
os._exit(int(link.recv(16) or 137))
"""


class WarmWeft:
    """The process that forks, and the folder with the program that is typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        address = str(folder / "socket")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.docs.warm", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            start_new_session=True,  # Ctrl-C comes from the terminal that a command is typed in
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        numbers = [int(number) for number in SIGNALS]
        typed = folder / "weft"
        typed.write_text(_TYPED.format(python=sys.executable, address=address, signals=numbers))
        typed.chmod(0o755)

    def close(self) -> None:
        """End it; commands that still run go on."""
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture(scope="session")
def warm_weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a `weft` that starts at once, for a PATH."""
    made = WarmWeft(tmp_path_factory.mktemp("warm"))
    yield made.folder
    made.close()


# --- the process that forks ----------------------------------------------------------------


def main() -> None:
    """Read the code, and fork for whoever connects to the socket."""
    importlib.import_module("weft.app.compose")
    importlib.import_module("weft.cli.commands")
    for module, _, _ in importlib.import_module("weft.cli.groups").COMMANDS.values():
        importlib.import_module(module)
    gc.freeze()  # what has been read stays, and is not looked at in each fork
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        print("ready", flush=True)
        while True:
            link, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _attend(link)
            link.close()


def _attend(link: socket.socket) -> NoReturn:
    """Fork the command; hand signals to it, and its end to the program that was typed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(link, 1, 3)
    asked = json.loads(link.makefile("rb").readline())
    pid = os.fork()
    if pid == 0:
        link.close()
        _run(files, **asked)
    handle = os.pidfd_open(pid)
    while handle not in select.select([link, handle], [], [])[0]:
        said = link.recv(64)  # nothing: what was typed was killed, and so the command is
        for number in said.split() or [signal.SIGKILL]:
            signal.pidfd_send_signal(handle, int(number))
        if not said:
            os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):  # it was killed just now
        link.send(b"%d" % (code if code >= 0 else 128 - code))
    os._exit(0)


def _run(files: list[int], argv: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    """Be the command that was typed, as a fresh interpreter would be."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = argv
    random.seed()
    at_once = "PYTHONUNBUFFERED" in environment
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  until the process ends
    sys.stdout = _writer(1, buffering=0 if at_once else -1)
    sys.stderr = _writer(2, buffering=0)
    code: Any = 0
    try:
        importlib.import_module("weft.cli").main()
    except SystemExit as ending:
        code = ending.code
    except BaseException:  # noqa: BLE001  an interpreter ends likewise
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what an interpreter does at its end
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 0)


def _writer(file: int, *, buffering: int) -> io.TextIOWrapper:
    binary = open(file, "wb", buffering=buffering, closefd=False)  # noqa: SIM115  likewise
    return io.TextIOWrapper(
        binary, encoding="utf-8", errors="backslashreplace", write_through=buffering == 0
    )


if __name__ == "__main__":
    main()

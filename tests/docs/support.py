"""Pages as a reader meets them: blocks are typed in order, files are saved, servers run.

The word behind a fence says what a block is. `bash` is typed into the page's shell, in an
empty folder; `bash terminal=NAME` into a terminal of its own, where Ctrl-C is pressed before
that name comes again; `bash checkout` and `bash elsewhere` are typed in a checkout or on
another machine and are only checked for commands that exist. A `text` block behind a shell
block is what one sees: its lines come in that order, `…` stands for anything. A block with
`file=NAME` is saved under that name.
"""

import itertools
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from weft.cli.root import cli
from weft.config import load_config
from weft.model.ids import TenantId
from weft.registry.documents import read_document
from weft.registry.thing_models import read_type
from weft.rules.documents import read_rule

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [
        ROOT / "README.md",
        *ROOT.glob("docs/tutorial/*.md"),
        *ROOT.glob("docs/howto/*.md"),
    ]
)
DEFAULT_PORTS = (8080, 1883, 8443, 8883, 8090, 5683, 5684)
BLOCK_S = 60.0
TERMINAL_S = 40.0

_FENCE = re.compile(r"^(`{3,})(\w*) *(.*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the words behind it, its text and where it stands."""

    language: str
    words: dict[str, str]
    text: str
    line: int

    @property
    def typed(self) -> bool:
        """Whether the page's shell runs it."""
        return self.language == "bash" and not {"checkout", "elsewhere"} & self.words.keys()


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines = iter(enumerate(page.read_text("utf-8").splitlines(), 1))
    for number, line in lines:
        found = _FENCE.match(line.strip())
        if found is None:
            continue
        indent = len(line) - len(line.lstrip())
        inside = itertools.takewhile(lambda one, end=found[1]: one[1].strip() != end, lines)
        text = "".join(f"{one[indent:]}\n" for _, one in inside)
        words = {name: value for name, _, value in (w.partition("=") for w in found[3].split())}
        yield Block(found[2], words, text, number + 1)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, apart from those of other test workers.

    They lie below the ports that systems give to outgoing connections, or a busy machine
    would take one before it is listened on.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10
    candidates = list(range(20_000 + worker * 1_000, 21_000 + worker * 1_000))
    random.shuffle(candidates)
    return list(itertools.islice(filter(is_free, candidates), count))


def is_free(port: int) -> bool:
    """Whether nobody listens on a port."""
    try:
        socket.create_server(("0.0.0.0", port)).close()
    except OSError:
        return False
    return True


class Reader:
    """A reader who types a page, with ports of their own in place of the default ones."""

    def __init__(self, folder: Path, weft: Path | None = None) -> None:
        """`weft` is a folder with another program of that name, see `warm.py`."""
        self.folder = folder
        pairs = zip(DEFAULT_PORTS, free_ports(len(DEFAULT_PORTS)), strict=True)
        self.ports = {str(old): str(new) for old, new in pairs}
        self.environment = {
            "PATH": f"{f'{weft}:' if weft else ''}{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "WEFT_API__LISTEN": f"127.0.0.1:{self.ports['8080']}",
            "WEFT_TRANSPORTS__MQTT__LISTEN": f"127.0.0.1:{self.ports['1883']}",
            "WEFT_TRANSPORTS__COAP__LISTEN": f"127.0.0.1:{self.ports['5683']}",
        }
        self._terminals: dict[str, Terminal] = {}

    def follow(self, page: Path, *, leave: bool = True) -> None:
        """Do all that the page says; raise `AssertionError` at the first block that fails."""
        shown, seen = "", False
        try:
            for block in blocks_of(page):
                where = f"{page.name}:{block.line}"
                if block.language == "bash":
                    shown, seen = self._type(block, where), block.typed
                elif block.language == "text" and seen:
                    self._see(block, shown, where)
                    seen = False
                else:
                    read_document_block(block, where)
                if "file" in block.words:
                    (self.folder / block.words["file"]).write_text(self._as_typed(block.text))
        finally:
            if leave:
                self.leave()

    def leave(self, *names: str) -> None:
        """Press Ctrl-C in these terminals, or in all."""
        for name in names or tuple(self._terminals):
            self._terminals[name].stop()

    def shown(self, name: str) -> str:
        """All that a terminal has printed."""
        return self._as_written(self._terminals[name].shown)

    def type(self, text: str, *, terminal: str = "", where: str = "typed") -> str:
        """Type into the shell and return what it printed, or into a terminal of that name."""
        text = self._as_typed(text)
        if not terminal:
            return self._run(text, where)
        if terminal in self._terminals:
            self._terminals[terminal].stop()
        self._terminals[terminal] = Terminal(text, self.folder, self.environment)
        return terminal

    def _type(self, block: Block, where: str) -> str:
        if not block.typed:
            require_commands(block, where)
            return ""
        return self.type(block.text, terminal=block.words.get("terminal", ""), where=where)

    def _run(self, text: str, where: str) -> str:
        """Run a block; what it sets is there in the next one."""
        state = self.folder / ".state"
        wrapped = f"set -eao pipefail\n{text}\nset +x; env -0 > {shlex.quote(str(state))}\n"
        done = subprocess.run(
            ["bash", "-c", wrapped],
            cwd=self.environment.get("PWD", self.folder),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=BLOCK_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        shown = done.stdout + done.stderr
        assert done.returncode == 0, f"{where}: exit code {done.returncode}\n{text}\n{shown}"
        pairs = state.read_bytes().decode().split("\0")
        self.environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return shown

    def _see(self, block: Block, shown: str, where: str) -> None:
        """Look for the lines of a `text` block; a terminal is given time to show them."""
        wanted = [as_pattern(line) for line in block.text.splitlines() if line.strip(" …")]
        terminal = self._terminals.get(shown)
        deadline = time.monotonic() + (TERMINAL_S if terminal else 0)
        while True:
            text = self._as_written(terminal.shown if terminal else shown)
            missing = first_missing(wanted, text)
            if not missing:
                return
            assert time.monotonic() < deadline, f"{where}: nobody sees {missing!r} in\n{text}"
            time.sleep(0.05)

    def _as_typed(self, text: str) -> str:
        return _swap(text, self.ports)

    def _as_written(self, text: str) -> str:
        return _swap(text, {new: old for old, new in self.ports.items()})


class Terminal:
    """A command that goes on until Ctrl-C."""

    def __init__(self, text: str, folder: Path, environment: dict[str, str]) -> None:
        self._output = (folder / f".terminal-{time.monotonic_ns()}").open("w+")
        self._process = subprocess.Popen(
            ["bash", "-ec", text],
            cwd=environment.get("PWD", folder),
            env=environment | {"PYTHONUNBUFFERED": "1", "COLUMNS": "300"},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def shown(self) -> str:
        """All that it has printed."""
        return Path(self._output.name).read_text("utf-8")

    def stop(self) -> None:
        """Press Ctrl-C, and wait until the prompt is back."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(TERMINAL_S)
        self._output.close()


def _swap(text: str, ports: dict[str, str]) -> str:
    ours = "|".join(ports)
    return re.sub(rf"(?<![\w.])({ours})(?!\w)", lambda found: ports[found[1]], text)


def as_pattern(line: str) -> str:
    """Return a line of output as a pattern: any space is like any other, `…` is anything."""
    words = [".*".join(map(re.escape, word.split("…"))) for word in line.split()]
    return r"\s+".join(words)


def first_missing(patterns: list[str], text: str) -> str:
    """Return the first pattern that is not found behind those before it; empty for none."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern).search(text, at)
        if found is None:
            return pattern
        at = found.end()
    return ""


def read_document_block(block: Block, where: str) -> None:
    """Give a document to the reader that Weft has for it."""
    try:
        if block.language == "python":
            compile(block.text, where, "exec")
        elif block.language == "toml":
            read_settings(block.text)
        elif block.language in ("yaml", "json"):
            values = read_document(block.text, "document")
            if "when" in values:
                read_rule(block.text)
            elif {"telemetry", "@context"} & values.keys():
                read_type(TenantId("main"), "example", values, version=1, at=0)
    except Exception as error:
        raise AssertionError(f"{where}: {error}") from error


def read_settings(text: str) -> Any:
    """Read a block of settings as `weft up --config` does; lines of a table alone are TOML."""
    if not re.search(r"(?m)^\[", text):
        return tomllib.loads(text)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        return load_config(Path(file.name), {})


def require_commands(block: Block, where: str) -> None:
    """Raise unless every command of a block that is not typed here is one that exists."""
    done = subprocess.run(
        ["bash", "-n"], input=block.text, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"{where}: {done.stderr}"
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0].startswith("scripts/"):
            assert os.access(ROOT / words[0], os.X_OK), f"{where}: there is no {words[0]}"
        if words and words[0] == "weft":
            require_weft_command(words[1:], where)


def require_weft_command(words: list[str], where: str) -> None:
    """Raise unless `weft WORDS` names a command and options that it has."""
    command: Any = cli
    context = click.Context(cli)
    while words and isinstance(command, click.Group):
        if words[0].startswith("-"):
            words = words[2:] if words[0] in ("--data", "--tenant") else words[1:]
            continue
        found = command.get_command(context, words[0])
        assert found is not None, f"{where}: there is no weft command {words[0]!r}"
        command, words = found, words[1:]
    known = {text for one in command.params for text in (*one.opts, *one.secondary_opts)}
    for word in words:
        option = word.partition("=")[0]
        assert not option.startswith("--") or option in known, f"{where}: no option {option}"


def without_blocks(page: Path) -> str:
    """Return the text of a page between its code blocks."""
    return re.sub(r"(?ms)^( *)```.*?^\1```", "", page.read_text("utf-8"))


def links_of(page: Path) -> Iterator[str]:
    """Yield the targets of relative links of a page."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
        if not re.match(r"[a-z]+:|#", target):
            yield target.partition("#")[0]


def code_of(page: Path) -> Iterator[str]:
    """Yield what stands in backticks within the text of a page, on one line."""
    for text in re.findall(r"(?<!`)`([^`]+)`(?!`)", without_blocks(page)):
        yield " ".join(text.split())

"""The data folder: everything that Weft keeps, readable by its owner alone."""

import json
import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from weft.errors import ConfigurationError

SERVER_FILE = "server.json"


class ServerFile(Struct, frozen=True):
    """Where a running server answers; the command line reads it."""

    http: str
    pid: int
    version: str


class DataFolder:
    """The folder, made with mode 0700 where there was none."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.is_new = not (self.path / "records.sqlite").exists()

    def prepare(self) -> None:
        """Make the folder, or raise `ConfigurationError` for one that cannot be used."""
        os.umask(0o077)  # DuckDB makes its files for everyone otherwise (OP-1)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.stat().st_mode & 0o077:
                self.path.chmod(0o700)
            for file in self.path.glob("*.duckdb*"):
                file.chmod(0o600)
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {self.path} cannot be used: {error.strerror}.",
                remedy="Name another one with --data, or give yourself the right to it.",
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"The data folder {self.path} cannot be written.",
                remedy="Run as its owner, or name another one with --data.",
            )

    def announce(self, server: ServerFile) -> None:
        """Say where the server answers."""
        file = self.path / SERVER_FILE
        text: dict[str, Any] = {"http": server.http, "pid": server.pid, "version": server.version}
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(text))
        temporary.chmod(0o600)
        temporary.replace(file)

    def withdraw(self) -> None:
        """Say that no server answers any more."""
        (self.path / SERVER_FILE).unlink(missing_ok=True)

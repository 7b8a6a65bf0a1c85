"""Typed: how the commands that we suggest begin, so that they work as they are pasted.

`weft` may not be on the path (a checkout has it in `.venv/bin`), and the data folder may be
another than the one that a command takes by itself.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path

from weft.cli.root import DATA


def typed(data: str) -> str:
    """Return what a suggested command begins with, for the server of this data folder."""
    usual = Path(os.environ.get("WEFT_DATA") or DATA).absolute()
    folder = "" if Path(data).absolute() == usual else f" --data {shlex.quote(data)}"
    return _program() + folder


def _program() -> str:
    started = Path(sys.argv[0])
    if started.name != "weft" or not started.is_file():
        return "weft"
    found = shutil.which("weft")
    if found is not None and Path(found).samefile(started):
        return "weft"
    path, here = started.absolute(), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))

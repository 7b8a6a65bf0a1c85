"""`weft` on a disk that fails when told: run with `faults.so` preloaded, see test_faults.py.

The file named by FAULT_CONTROL is read again and again: "nth errno stays torn" arms the
faults, "heal" ends them. What was taken in is written beside it.
"""

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

from weft.cli.root import cli

FAULTS = ctypes.CDLL(None)


def watch(control: Path) -> None:
    taken = ""
    while True:
        text = control.read_text() if control.exists() else ""
        if text and text != taken:
            if text.startswith("heal"):
                FAULTS.fault_heal()
            else:
                FAULTS.fault_arm(*map(int, text.split()[:4]))
            taken = text
            control.with_suffix(".taken").write_text(text)
        time.sleep(0.005)


threading.Thread(target=watch, args=(Path(os.environ["FAULT_CONTROL"]),), daemon=True).start()
cli(sys.argv[1:])

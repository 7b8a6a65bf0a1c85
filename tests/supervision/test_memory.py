import gc
import json
import subprocess
import sys

import pytest

from weft.supervision.memory import (
    GC_THRESHOLDS,
    code_regions,
    release_code,
    release_heap,
    seldom_collected,
)

SMAPS = """\
55c52c03c000-55c52c03f000 r--p 00000000 fe:00 247741                     /usr/bin/server
Rss:                  12 kB
Private_Dirty:         0 kB
55c52c03f000-55c52c053000 r-xp 00003000 fe:00 247741                     /usr/bin/server
Rss:                  80 kB
Private_Dirty:         0 kB
7f0000000000-7f0000004000 r-xp 00000000 fe:00 247742                     /usr/lib/relocated.so
Rss:                  16 kB
Private_Dirty:         4 kB
7f0000100000-7f0000104000 rw-p 00000000 00:00 0
Rss:                  16 kB
Private_Dirty:         0 kB
7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                          [vdso]
Rss:                   4 kB
Private_Dirty:         0 kB
VmFlags: rd ex mr mw me de
"""


def test_only_unmodified_code_of_files_is_let_go() -> None:
    """Data, code that was relocated in place, and the kernel's own page stay."""
    assert list(code_regions(SMAPS)) == [(0x55C52C03F000, 0x14000, 80 * 1024)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's own way")
def test_a_process_goes_on_with_less() -> None:
    """DuckDB and cryptography work as before; what they need comes back by itself."""
    script = """
import json, duckdb, hashlib
from cryptography.hazmat.primitives.asymmetric import ec
from pathlib import Path
from weft.supervision.memory import release_code
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
connection = duckdb.connect()
before = resident()
released = release_code()
after = resident()
answer = connection.execute("SELECT sum(range) FROM range(1000)").fetchall()[0][0]
ec.generate_private_key(ec.SECP256R1())
print(json.dumps([before, released, after, int(answer)]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    before, released, after, answer = json.loads(done.stdout)
    assert answer == 499_500
    assert released > 1_000_000
    assert after < before


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems are left alone."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert release_code() == 0


def test_free_heap_is_given_back_where_the_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """With glibc it is asked; with another C library nothing happens."""
    assert release_heap() in {True, False}
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    assert release_heap() is False


def test_what_was_made_at_start_is_not_collected_again() -> None:
    """As long as a server runs; then all is as it was."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with seldom_collected():
        assert gc.get_threshold() == GC_THRESHOLDS
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == before

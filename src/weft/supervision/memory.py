"""Memory that only the start needs: given back once the server is ready, and not looked through.

DuckDB and cryptography run tens of megabytes of code once, to register what they can do;
those pages stay mapped into the process. They are clean and come from files, so letting
go of them costs a page fault where one is needed again, and nothing else.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MADV_DONTNEED = 4  # <asm-generic/mman-common.h>
SMAPS = Path("/proc/self/smaps")
# Most objects of a message are freed at once by their count; looking for cycles among them
# costs 2 µs a message at the defaults (measured), so look seldom.
GC_THRESHOLDS = (50_000, 20, 50)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Leave what was made until now out of garbage collection, and collect seldom."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def release_code() -> int:
    """Let go of unmodified code pages; return how many bytes they took. Linux only."""
    if not sys.platform.startswith("linux") or not SMAPS.exists():
        return 0
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    released = 0
    for start, size, resident in code_regions(SMAPS.read_text()):
        if madvise(start, size, MADV_DONTNEED) == 0:
            released += resident
    return released


def release_heap() -> bool:
    """Give free memory of the C heap back; return whether there was some. glibc only.

    Reading a long journal again leaves tens of megabytes free that glibc would keep.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))


def code_regions(smaps: str) -> Iterator[tuple[int, int, int]]:
    """Yield (start, size, resident bytes) of code that is mapped from files and unmodified."""
    region: tuple[int, int] | None = None
    resident = 0
    for line in smaps.splitlines():
        words = line.split()
        if not words[0].endswith(":"):  # a region begins: range, rights, offset, device, inode
            first, _, last = words[0].partition("-")
            is_code = words[1] == "r-xp" and words[4] != "0"
            start = int(first, 16)
            region = (start, int(last, 16) - start) if is_code else None
        elif words[0] == "Rss:":
            resident = int(words[1]) * 1024
        elif words[0] == "Private_Dirty:" and region is not None and words[1] == "0":
            yield *region, resident  # what was relocated in place would not come back

"""The write-ahead log, checked before SQLite reads it.

SQLite drops the first frame that does not verify and everything behind it, and says
nothing. We read the log first: a last transaction that was never finished is dropped and
reported; a damaged frame with committed frames behind it is damage. Form and checksums:
https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Sums = tuple[int, int]

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
_MAGIC_LITTLE = 0x377F0682
_MASK = 0xFFFFFFFF


class WalState(Struct, frozen=True):
    """What stands in a log.

    `committed` frames are whole transactions that verify; `torn` ones follow them and
    belong to a transaction that was never finished; `damaged` names the first frame that
    does not verify though committed frames stand behind it.
    """

    committed: int = 0
    torn: int = 0
    damaged: int | None = None
    header_damaged: bool = False


def check_wal(path: Path) -> WalState:
    """Read a log as SQLite would, without believing it."""
    data = path.read_bytes() if path.exists() else b""
    if not data:
        return WalState()
    if len(data) < HEADER_BYTES:
        return WalState(torn=1)
    header = np.frombuffer(data, dtype=">u4", count=8).astype(np.uint32)
    page_bytes = int(header[2]) if int(header[2]) != 1 else 65536
    order = "<u4" if int(header[0]) == _MAGIC_LITTLE else ">u4"
    sums = _checksum(np.frombuffer(data, dtype=order, count=6), (0, 0))
    if sums != (int(header[6]), int(header[7])) or not _is_page_size(page_bytes):
        # A header is written and synced before its first frame: one page may be torn, no more.
        whole = len(data) >= HEADER_BYTES + FRAME_HEADER_BYTES + 512
        return WalState(header_damaged=whole, torn=0 if whole else 1)
    return _Frames(data, page_bytes, order, (int(header[4]), int(header[5]))).check(sums)


class _Frames:
    """The frames of one log, read with the salts of its header."""

    def __init__(self, data: bytes, page_bytes: int, order: str, salts: Sums) -> None:
        self._data = data
        self._page_bytes = page_bytes
        self._order = order
        self._salts = salts
        self._step = FRAME_HEADER_BYTES + page_bytes
        self._count = (len(data) - HEADER_BYTES) // self._step

    def check(self, sums: Sums) -> WalState:
        committed = 0
        bad = self._count
        for frame in range(self._count):
            pages, salts, stored = self._header(frame)
            sums = self._sums(frame, sums)
            if salts != self._salts or sums != stored:
                bad = frame
                break
            if pages:
                committed = frame + 1
        if self._commits_behind(bad):
            return WalState(committed=committed, torn=0, damaged=bad)
        return WalState(committed=committed, torn=self._torn(committed, bad))

    def _commits_behind(self, bad: int) -> bool:
        """Tell whether a transaction of this log was committed behind frame `bad`.

        Each frame's checksum goes on from the one stored before it, so those behind a
        damaged frame can be verified on their own. Older frames have other salts.
        """
        for frame in range(bad + 1, self._count):
            pages, salts, stored = self._header(frame)
            before = self._header(frame - 1)[2]
            if salts == self._salts and pages and self._sums(frame, before) == stored:
                return True
        return False

    def _torn(self, committed: int, bad: int) -> int:
        """Count frames of this log that belong to no committed transaction."""
        end = min(bad + 1, self._count)
        frames = [f for f in range(committed, end) if self._header(f)[1] == self._salts]
        return len(frames)

    def _header(self, frame: int) -> tuple[int, Sums, Sums]:
        """Return pages in the database after a commit (else 0), the salts and the checksums."""
        at = HEADER_BYTES + frame * self._step
        words = np.frombuffer(self._data, dtype=">u4", count=6, offset=at).tolist()
        return words[1], (words[2], words[3]), (words[4], words[5])

    def _sums(self, frame: int, sums: Sums) -> Sums:
        at = HEADER_BYTES + frame * self._step
        head = np.frombuffer(self._data, dtype=self._order, count=2, offset=at)
        page = np.frombuffer(
            self._data,
            dtype=self._order,
            count=self._page_bytes // 4,
            offset=at + FRAME_HEADER_BYTES,
        )
        return _checksum(page, _checksum(head, sums))


def _is_page_size(size: int) -> bool:
    return 512 <= size <= 65536 and size & (size - 1) == 0


def _checksum(words: NDArray[np.unsignedinteger], sums: Sums) -> Sums:
    """Go on with a checksum.

    One step is s0 += x + s1, s1 += y + s0: linear modulo 2^32, so a page is two dot
    products with weights that depend on its length alone (6 µs a page; a loop takes 400).
    """
    native = words.astype(np.uint32)
    start, first, second = _weights(len(native) // 2)
    s0, s1 = sums
    total0 = int((first * native).sum(dtype=np.uint32))
    total1 = int((second * native).sum(dtype=np.uint32))
    (a, b), (c, d) = start
    return (a * s0 + b * s1 + total0) & _MASK, (c * s0 + d * s1 + total1) & _MASK


@lru_cache(maxsize=8)
def _weights(pairs: int) -> tuple[tuple[Sums, Sums], Words, Words]:
    """Return what a checksum of so many pairs multiplies its start and each word by."""
    first = np.zeros(pairs * 2, dtype=np.uint32)
    second = np.zeros(pairs * 2, dtype=np.uint32)
    (a, b), (c, d) = (1, 0), (0, 1)
    for pair in range(pairs - 1, -1, -1):
        first[2 * pair], first[2 * pair + 1] = (a + b) & _MASK, b
        second[2 * pair], second[2 * pair + 1] = (c + d) & _MASK, d
        a, b = (a + b) & _MASK, (a + 2 * b) & _MASK
        c, d = (c + d) & _MASK, (c + 2 * d) & _MASK
    return ((a, b), (c, d)), first, second


def reseal(data: bytes, page_bytes: int) -> bytes:
    """Return a log with checksums that verify, its pages as they stand, damaged or not.

    For repair only: SQLite then hands out every page there is, and the checksums of what
    is stored in them tell what is intact.
    """
    step = FRAME_HEADER_BYTES + page_bytes
    count = (len(data) - HEADER_BYTES) // step
    if count <= 0:
        return b""
    salts = data[16:24] if not _header_damaged(data) else data[HEADER_BYTES + 8 : HEADER_BYTES + 16]
    head = _big(_MAGIC_LITTLE, 3_007_000, page_bytes, 0) + salts
    sums = _checksum(np.frombuffer(head, dtype="<u4"), (0, 0))
    out = [head, _big(*sums)]
    for frame in range(count):
        at = HEADER_BYTES + frame * step
        start, page = data[at : at + 8], data[at + FRAME_HEADER_BYTES : at + step]
        if data[at + 8 : at + 16] != salts and not _resumes(data, at + step, step, salts):
            break
        sums = _checksum(np.frombuffer(start + page, dtype="<u4"), sums)
        out += [start, salts, _big(*sums), page]
    return b"".join(out)


def _resumes(data: bytes, at: int, step: int, salts: bytes) -> bool:
    """Tell whether frames of this log go on behind one whose salts are damaged."""
    return any(data[f + 8 : f + 16] == salts for f in range(at, len(data) - step + 1, step))


def _header_damaged(data: bytes) -> bool:
    words = np.frombuffer(data, dtype=">u4", count=8).tolist()
    order = "<u4" if words[0] == _MAGIC_LITTLE else ">u4"
    return _checksum(np.frombuffer(data, dtype=order, count=6), (0, 0)) != (words[6], words[7])


def _big(*words: int) -> bytes:
    return b"".join(word.to_bytes(4, "big") for word in words)

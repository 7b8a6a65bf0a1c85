"""The ends of a journal, and that nothing between them is missing or changed."""

import sqlite3
from collections.abc import Callable

from msgspec import Struct

from weft.backends.sqlite.batches import Chain, Routes
from weft.backends.sqlite.database import Database
from weft.backends.sqlite.faults import REPAIR, told
from weft.backends.sqlite.statements import load_statements
from weft.errors import Damaged

SQL = load_statements("journal")
_VERIFIED = 64  # newest batches that each start verifies: those that a crash may have met

Execute = Callable[..., sqlite3.Cursor]


class Ends(Struct):
    """Where a journal begins and ends, and what its next batch goes on from."""

    tail: int
    head: int
    checksum: bytes  # of the newest batch
    received_to: int  # the latest moment of receipt


def find_ends(database: Database, expected_at_least: int) -> Ends:
    """Return the ends; raise `Damaged` if positions are missing or the newest are changed."""
    execute = database.connection.execute
    with told(database.path):
        trimmed, received_to, checksum = execute(SQL["trimmed"]).fetchone()
        first, last, length = execute(SQL["span"]).fetchone()
        ends = Ends(trimmed + 1, last or trimmed, checksum, received_to)
        if first is not None:
            if first != ends.tail or length != ends.head - trimmed:
                raise _missing(execute, ends.tail, first)
            _, _, ends.received_to, ends.checksum = execute(SQL["last"]).fetchone()
            _verify(execute, execute(SQL["nth_last"], (_VERIFIED,)).fetchone()[0])
    expected = max(expected_at_least, database.marker.value)
    if ends.head < expected:
        raise Damaged(
            f"{database.path.name} ends at position {ends.head}; messages up to {expected} were "
            "acknowledged.",
            remedy=REPAIR,
        )
    return ends


def verify_journal(database: Database, expected_at_least: int) -> None:
    """Verify every batch there is."""
    ends = find_ends(database, expected_at_least)
    with told(database.path):
        _verify(database.connection.execute, ends.tail)


def checksum_before(execute: Execute, first: int) -> bytes:
    """Return the checksum that the batch at `first` goes on from."""
    found = execute(SQL["before"], (first,)).fetchone() or execute(SQL["trimmed"]).fetchone()[2:]
    return bytes(found[0])


def _verify(execute: Execute, first: int) -> None:
    chain = Chain(first, checksum_before(execute, first), Routes())
    for row in execute(SQL["read"], (first, -1)):
        chain.require(row)


def _missing(execute: Execute, tail: int, first: int) -> Damaged:
    start, end = execute(SQL["gap"]).fetchone() or (tail, first)
    return Damaged(f"The journal has no positions {start} to {end - 1}.", remedy=REPAIR)

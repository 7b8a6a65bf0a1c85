"""Keys that a factory has put into devices: checked, and sealed before anything is written.

A file brings a pre-shared key in hexadecimal digits, and the identity that goes with it or none.
What is wrong is told with its row and column, and never with what stood there. Behind this
module a row holds the key sealed, one that is not taken holds none.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from weft.registry.rows import Row, RowError
from weft.security.claim_keys import IDENTITY_MAX_BYTES, SEPARATOR

KEY: Final = "psk"
IDENTITY: Final = "psk_identity"
KEY_MIN_BYTES: Final = 16  # 128 bits: less can be found by trying
KEY_MAX_BYTES: Final = 64  # no suite makes use of more
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_IDENTITY: Final = re.compile(r"[\x21-\x7e]+")  # as text, in every log and on every label
_OURS: Final = re.compile(rf"[a-z2-7]{{16}}(?:{SEPARATOR}.*)?")  # what Weft gives out itself

Seal = Callable[[int, bytes], str]


class _Wrong(Exception):
    def __init__(self, column: str, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.error = RowError(column, detail, remedy)


def has_keys(rows: Sequence[Row]) -> bool:
    """Whether any row brings a key."""
    return any(KEY in row.values for row in rows)


def sealed_rows(rows: Sequence[Row], seal: Seal) -> list[Row]:
    """Return the rows with their keys sealed by `seal(line, key)`; blocks: call it off the loop.

    The same key or identity twice is an error of the second row: a key that two devices have
    proves neither of them.
    """
    keys: dict[bytes, int] = {}
    identities: dict[bytes, int] = {}
    done: list[Row] = []
    for row in rows:
        if row.error is not None:  # a key may stand in it by any name: nothing of it is kept
            named = {name: value for name, value in row.values.items() if name == "device_id"}
            done.append(replace(row, values=named))
            continue
        if KEY not in row.values and IDENTITY not in row.values:
            done.append(row)
            continue
        values = dict(row.values)
        text = values.pop(KEY, None)
        try:
            key = _read_key(text)
            _require_once(keys, hashlib.sha256(key).digest(), row.line, KEY)
            if values.get(IDENTITY):
                said = _read_identity(values[IDENTITY])
                _require_once(identities, said.encode(), row.line, IDENTITY)
        except _Wrong as wrong:
            done.append(replace(row, values=values, error=wrong.error))
            continue
        done.append(replace(row, values=values | {KEY: seal(row.line, key)}))
    return done


def _read_key(text: Any) -> bytes:
    if not text:
        raise _Wrong(
            IDENTITY,
            "There is an identity and no pre-shared key.",
            "Write the key into the column psk, or leave both out.",
        )
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise _Wrong(
            KEY,
            "The pre-shared key is not written in hexadecimal digits.",
            "Write two digits for each byte, and nothing between them.",
        )
    key = bytes.fromhex(text)
    if not KEY_MIN_BYTES <= len(key) <= KEY_MAX_BYTES:
        raise _Wrong(
            KEY,
            f"The pre-shared key has {len(key)} bytes.",
            f"Let the factory make keys of {KEY_MIN_BYTES} to {KEY_MAX_BYTES} bytes.",
        )
    if len(set(key)) == 1:
        raise _Wrong(
            KEY,
            "The pre-shared key is the same byte again and again.",
            "Let the factory make a random one for each device.",
        )
    return key


def _read_identity(text: str) -> str:
    if len(text) > IDENTITY_MAX_BYTES or not _IDENTITY.fullmatch(text):
        raise _Wrong(
            IDENTITY,
            "The identity cannot be sent by every stack.",
            f"Use 1 to {IDENTITY_MAX_BYTES} printable ASCII characters without spaces.",
        )
    if _OURS.fullmatch(text):
        raise _Wrong(
            IDENTITY,
            "The identity has the form of those that Weft gives out.",
            "Leave it out to get one of them, or choose another form.",
        )
    return text


def _require_once(seen: dict[bytes, int], value: bytes, line: int, column: str) -> None:
    first = seen.setdefault(value, line)
    if first != line:
        what = "pre-shared key" if column == KEY else "identity"
        raise _Wrong(
            column,
            f"The {what} is that of line {first} as well.",
            "Give each device its own.",
        )


__all__ = ["IDENTITY", "KEY", "has_keys", "sealed_rows"]

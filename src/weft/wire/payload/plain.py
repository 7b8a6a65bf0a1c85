"""Plain text (RFC 7252's Content-Format 0): one value and nothing else.

    21.4        a number
    true        a boolean, as false
    open        any other text is itself

Only what JSON would take for a number is one: `1,5`, `0x10`, `nan` and `1_000` are text.
"""

import re
from typing import Final

from weft.errors import PayloadInvalid

Scalar = float | bool | str

TEXT_MAX_BYTES: Final = 4096  # as long as a declared string may be
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_DIGITS_MAX: Final = 400  # a double ends at 309 digits; converting more costs their square


def decode(payload: bytes) -> Scalar:
    """Return the one value; raise `PayloadInvalid` for what is no text of a sane size."""
    text = decode_text(payload)
    trimmed = text.strip(" \t\r\n")
    if trimmed in {"true", "false"}:
        return trimmed == "true"
    number = number_of(trimmed)
    return text if number is None else number


def number_of(text: str) -> float | None:
    """Return the number that a text is, None where it is none; refuse one beyond a double."""
    found = _NUMBER.fullmatch(text) if len(text) <= _DIGITS_MAX else None
    if found is None:
        return None
    if found[1] is None and found[2] is None:
        return int(text)
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise PayloadInvalid(
            f"The number {text[:32]} is beyond what a double holds.",
            remedy="Send a smaller number.",
        )
    return number


def decode_text(payload: bytes) -> str:
    """Return the text of a payload, unread; raise `PayloadInvalid` where it is none."""
    if len(payload) > TEXT_MAX_BYTES:
        raise PayloadInvalid(
            f"The text has {len(payload)} bytes; at most {TEXT_MAX_BYTES} are read as one value.",
            remedy="Send larger things as JSON or CBOR.",
        )
    if not payload.strip():
        raise PayloadInvalid("The text is empty.", remedy="Send one value, as 21.4.")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadInvalid(
            f"The text is not UTF-8 from byte {error.start} on.", remedy="Send UTF-8."
        ) from None


def encode(value: Scalar) -> bytes:
    """Write one value as text."""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return str(value).encode("utf-8")

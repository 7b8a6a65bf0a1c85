"""Moments: int64 nanoseconds UTC inside, RFC 3339 outside."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from weft.errors import Invalid

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEYOND_MICROSECONDS = re.compile(r"[.,]\d{6}(\d{1,3})")


def to_rfc3339(at_ns: int) -> str:
    """Write a moment as RFC 3339 in UTC, with as many decimals as it needs (0, 3, 6 or 9)."""
    seconds, nanos = divmod(at_ns, NS_PER_S)
    text = _written(seconds)
    if not nanos:
        return text + "Z"
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"


@lru_cache(maxsize=1_024)  # thousands of messages have one second: 2 µs each
def _written(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def from_rfc3339(text: str) -> int:
    """Read an RFC 3339 moment; one without a zone is refused, not guessed."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            f"{text!r} is not a moment.", remedy="Write RFC 3339, as 2026-03-01T12:00:00Z."
        ) from error
    if moment.tzinfo is None:
        raise Invalid(f"{text!r} names no time zone.", remedy="End it with Z or an offset.")
    whole = moment.replace(microsecond=0) - _EPOCH
    rest = _BEYOND_MICROSECONDS.search(text)  # which `datetime` cuts off
    nanos = int(rest[1].ljust(3, "0")) if rest else 0
    return (whole.days * 86_400 + whole.seconds) * NS_PER_S + moment.microsecond * 1_000 + nanos

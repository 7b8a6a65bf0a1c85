"""Cursors: where the next page begins, opaque to the caller.

A cursor belongs to one tenant and one list; handed in elsewhere it is refused, so that a
page never begins at a place that another tenant's data has named.
"""

import base64
import binascii
import hashlib
from typing import Any, TypeVar

import msgspec

from weft.errors import Invalid
from weft.model.ids import TenantId

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode


def _bound_to(tenant: TenantId, listing: str) -> bytes:
    return hashlib.sha256(f"{tenant}\x1f{listing}".encode()).digest()[:8]


def make_cursor(tenant: TenantId, listing: str, after: Any) -> str:
    """Write the place behind which the next page begins."""
    packed = _encode((_bound_to(tenant, listing), after))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_cursor(tenant: TenantId, listing: str, cursor: str, type: Any) -> Any:  # noqa: A002  as msgspec names it
    """Read back what `make_cursor` wrote for this tenant and list, or raise `Invalid`."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        bound, after = msgspec.msgpack.decode(packed, type=tuple[bytes, type])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise _foreign() from error
    if bound != _bound_to(tenant, listing):
        raise _foreign()
    return after


def _foreign() -> Invalid:
    return Invalid(
        "The cursor is not one that this list has answered.",
        remedy="Take `next` of the page before as it is, or leave `cursor` out to start anew.",
    )

"""Attributes: facts that operators keep of a device, as a small JSON document.

They are changed by merge patch (RFC 7396): what is named changes, None removes.
"""

from typing import Any, Final

import msgspec

from weft.errors import TooLarge
from weft.registry.documents import require_plain

ATTRIBUTES_MAX_BYTES: Final = 16 * 1024  # facts, not files


def merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return `old` with a merge patch laid over it."""
    new = dict(old)
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        elif isinstance(value, dict):
            held = old.get(name)
            new[name] = merged(held if isinstance(held, dict) else {}, value)
        else:
            new[name] = value
    return new


def require_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes if JSON can hold them in 16 KiB, else raise."""
    require_plain(attributes, "attributes")
    size = len(msgspec.json.encode(attributes))
    if size > ATTRIBUTES_MAX_BYTES:
        raise TooLarge(
            f"The attributes take {size} bytes; at most {ATTRIBUTES_MAX_BYTES} fit.",
            remedy="Keep large documents elsewhere and their address here.",
        )
    return attributes

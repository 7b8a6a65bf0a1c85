"""Telemetry values: a reading is one moment's values, typed by the device type or free.

Values of a typed device are a Struct whose fields are declared in the type; those of a
device without a type are a dict. `items_of` reads both.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import astuple

Values = Struct | Mapping[str, Any]


class Reading(Struct, eq=False, gc=False):
    """Values of one device at one moment.

    `at` is ns UTC: the device's own time, or that of receipt where it sent none.
    """

    at: int
    values: Values


def items_of(values: Values) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of what was sent; fields that were left out are left out here."""
    if isinstance(values, Struct):
        for key, value in zip(values.__struct_encode_fields__, astuple(values), strict=True):
            if value is not UNSET:
                yield key, value
    else:
        yield from values.items()

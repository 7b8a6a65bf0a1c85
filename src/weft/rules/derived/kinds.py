"""The kinds of records of derived telemetry: how it is computed, and how far that is."""

from typing import Any

from msgspec import Struct, field

from weft.model.ids import TenantId
from weft.ports import Kind
from weft.rules.derived.model import Derivation, Owed


class Row(Struct, frozen=True, omit_defaults=True):
    """What is remembered of a device, on disk."""

    at: int  # the newest sample seen
    received: int = 0  # when that one was received
    values: list[tuple[str, str, Any]] = field(default_factory=list)  # source, key, value
    feeds: dict[str, Any] = field(default_factory=dict)  # what each remembers, by its text
    told: dict[str, Any] = field(default_factory=dict)  # as a member of what is rolled up


class Progress(Struct, frozen=True):
    """How far derived telemetry is, and what is on its way to the journal."""

    position: int
    owed: list[Owed] = field(default_factory=list)
    # Tenant, device, and the oldest moment that came late and is not recomputed yet.
    late: list[tuple[TenantId, str, int]] = field(default_factory=list)


# By its name, and every version there ever was by name/number.
DERIVATIONS: Kind[Derivation] = Kind("derivation", Derivation)
DERIVATION_VERSIONS: Kind[Derivation] = Kind(
    "derivation_version", Derivation, index=lambda one: {"derivation": one.name}
)
# Keyed by the device.
ROWS: Kind[Row] = Kind("derived_state", Row)
PROGRESS: Kind[Progress] = Kind("derived_progress", Progress)

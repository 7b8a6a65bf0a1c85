"""What a derivation is: how one key of telemetry is computed, at one version."""

from typing import Final

from msgspec import Struct

from weft.model.ids import DeviceId, TenantId
from weft.model.telemetry import Reading
from weft.rules.model import RuleScope, Selector

DEPTH_MAX: Final = 8  # derivations that stand on one another


class DerivationDocument(Struct, frozen=True, omit_defaults=True):
    """A derivation as its owner wrote it."""

    key: str  # of the telemetry that it gives
    value: str  # an expression of the rule language
    selector: Selector = Selector()  # whose telemetry it is computed from
    unit: str = ""  # UCUM
    description: str = ""
    scope: RuleScope | None = None  # over whom it is rolled up; None: each device by itself
    device: str = ""  # whose telemetry a roll-up becomes


class Derivation(Struct, frozen=True):
    """A derivation at one version."""

    name: str
    uid: str  # never used again after a delete
    tenant: TenantId
    version: int
    document: DerivationDocument
    gives: str  # the type of its values, as the rule language names it
    inputs: tuple[str, ...]  # the telemetry keys that it reads
    created_at: int
    created_by: str
    updated_at: int
    effective_after: int = 0  # the journal position at which this version was saved
    state_bytes: int = 0  # what it may remember of one device, at worst
    sample_ns: int = 0  # what that costs for one sample, at worst

    @property
    def key(self) -> str:
        """The telemetry key that it gives."""
        return self.document.key

    @property
    def is_rolled_up(self) -> bool:
        """Whether it is computed over the members of a group or an asset."""
        return self.document.scope is not None


class DerivationChange(Struct, frozen=True):
    """A derivation before and after: `old` None when made, `new` None when deleted."""

    old: Derivation | None
    new: Derivation | None
    at: int


class Derived(Struct, frozen=True, eq=False):
    """Readings that one message brings about on one device."""

    position: int  # of that message
    tenant: TenantId
    device_id: DeviceId
    type_name: str
    type_version: int
    readings: list[Reading]


class Owed(Struct, frozen=True):
    """What was computed and has not been seen in the journal yet, on disk."""

    position: int
    tenant: TenantId
    device_id: DeviceId
    type_name: str
    type_version: int
    payload: bytes

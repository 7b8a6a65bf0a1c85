"""What a pack is: plain documents under names, and what became of them in a tenant."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from weft.model.ids import TenantId
from weft.packs.simulation import Simulation
from weft.ports import Kind


class ItemKind(StrEnum):
    """What an item of a pack is, in the order in which they are made."""

    TYPE = "type"
    ASSET = "asset"
    ROUTE = "route"
    DERIVATION = "derivation"
    RULE = "rule"


class Item(Struct, frozen=True):
    """One document of a pack, as its kind's own reader takes it."""

    kind: ItemKind
    name: str
    document: dict[str, Any]

    @property
    def key(self) -> str:
        """Tells items of one pack apart: `rule:zone-d`."""
        return f"{self.kind.value}:{self.name}"


class Sample(Struct, frozen=True, forbid_unknown_fields=True):
    """One reading of the pack's sample data; `at_s` is seconds from its beginning."""

    device: str
    at_s: float
    values: dict[str, Any]


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """How many alarms a rule raises for a device over the samples."""

    rule: str
    device: str
    alarms: int = 1


class Pack(Struct, frozen=True):
    """A pack as it is shipped, checked."""

    name: str
    version: int
    title: str
    description: str
    sources: tuple[str, ...]  # standards and tables that numbers are taken from
    items: tuple[Item, ...]  # in the order in which they are made
    simulation: Simulation
    samples: tuple[Sample, ...]
    expects: tuple[Expected, ...]

    def of(self, kind: ItemKind) -> list[Item]:
        """Return its items of a kind."""
        return [item for item in self.items if item.kind is kind]


class Installed(Struct, frozen=True):
    """A pack in a tenant: what it has made, and what it is about to make.

    Digests tell what somebody has changed since. What is about to be written stands in
    `pending` before it is written, so that an install that was cut off knows its own.
    """

    tenant: TenantId
    pack: str
    prefix: str
    version: int
    connector: str  # that its work orders go to; empty: its rules raise alarms only
    installed_at: int
    installed_by: str
    made: dict[str, str] = {}  # key of an item -> digest of the document that was written
    pending: dict[str, str] = {}  # likewise, of what is being written now

    @property
    def key(self) -> str:
        """One pack may be installed under several prefixes."""
        return install_key(self.pack, self.prefix)


INSTALLS: Kind[Installed] = Kind("pack", Installed)


def install_key(pack: str, prefix: str) -> str:
    """Return the key of an install; names hold no slash."""
    return f"{pack}/{prefix}"


def digest_of(document: Mapping[str, Any]) -> str:
    """Return what tells one document from another, whatever the order of its keys."""
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()

"""Mappings: what a tenant wants in the fields of its business system, saved and checked.

A connector begins with the defaults of its kind, changed by `fields` in its settings; a
tenant's own mapping, saved through the API, changes them further for that tenant alone. A
mapping that was saved fits its connector; if the connector became another kind since, its
actions wait and say so, and none is sent with fields that nobody meant.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct

from weft.connectors.base import Connector, Situation
from weft.connectors.facts import facts_of
from weft.connectors.fields import FieldMapping, Filled, read_mapping
from weft.errors import ConfigurationError, ConnectorError, Invalid
from weft.groups.filters import Around
from weft.model.alarm import OutboxEntry
from weft.model.ids import TenantId
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Record, Records, Writer
from weft.security.audit import Audit

T = TypeVar("T")


class SavedMapping(Struct, frozen=True):
    """A tenant's mapping for one connector."""

    connector: str
    fields: dict[str, str]
    updated_at: int
    updated_by: str
    version: int = 1


MAPPINGS: Kind[SavedMapping] = Kind("connector_mapping", SavedMapping)
_Made = tuple[str, list[Mapping[str, str]]]  # the kind, and what was merged over its fields


@dataclass(frozen=True)
class MappingsGiven:
    """What mappings are kept in and read their facts from."""

    records: Records
    audit: Audit
    clock: Clock
    around: Around


class Mappings:
    """All mappings. Without what is given, the kinds' defaults over the alarm alone."""

    def __init__(self, given: MappingsGiven | None = None) -> None:
        self._given = given
        # By tenant and connector, with what it was compiled of: 2.5 ms that need not be twice.
        self._held: dict[tuple[TenantId, str], tuple[_Made, FieldMapping]] = {}

    def forget(self, tenant: TenantId, name: str) -> None:
        """Forget what was compiled for a connector that is another now, or gone."""
        self._held.pop((tenant, name), None)

    async def find(self, tenant: TenantId, name: str) -> Record[SavedMapping] | None:
        """Return what a tenant saved for a connector, or None."""
        if self._given is None:
            return None
        return await self._given.records.read(lambda r: r.find(MAPPINGS, tenant, name))

    async def save(
        self,
        actor: Principal,
        connector: Connector,
        layers: Sequence[Mapping[str, str]],
        *,
        version: int | None = None,
    ) -> Record[SavedMapping]:
        """Save the last of `layers`, checked over those before it; raise `Invalid`."""
        given = self._require()
        compiled(connector, *layers)
        tenant, name, now = actor.tenant, connector.name, given.clock.now()

        def work(writer: Writer) -> Record[SavedMapping]:
            found = writer.find(MAPPINGS, tenant, name)
            number = (found.value.version if found else 0) + 1
            saved = SavedMapping(name, dict(layers[-1]), now, str(actor), number)
            record = writer.put(MAPPINGS, tenant, name, saved, version=version)
            given.audit.entry(
                writer,
                actor,
                "connector.write",
                f"connector:{name}",
                detail={"mapping": number, "fields": sorted(saved.fields)},
            )
            return record

        return await given.records.write(work)

    async def delete(self, actor: Principal, name: str) -> None:
        """Go back to the defaults, or raise `NotFound`."""
        given = self._require()

        def work(writer: Writer) -> None:
            writer.get(MAPPINGS, actor.tenant, name)
            writer.delete(MAPPINGS, actor.tenant, name)
            detail = {"mapping": "deleted"}
            given.audit.entry(writer, actor, "connector.write", f"connector:{name}", detail=detail)

        await given.records.write(work)

    async def filled(
        self,
        connector: Connector,
        settings: Mapping[str, str],
        entry: OutboxEntry,
        situation: Situation,
    ) -> Filled:
        """Return a connector's fields for one action; raise `ConnectorError`, tried again."""
        saved = await self.find(entry.action.tenant, connector.name)
        own = saved.value.fields if saved else {}
        try:
            mapping = self._compiled(entry.action.tenant, connector, [settings, own])
        except Invalid as error:
            raise ConnectorError(
                f"The saved mapping does not fit the connector any more: {error.detail}",
                remedy=f"Save another: weft connector map {connector.name} FILE.",
            ) from error
        return self.fill(mapping, entry, situation)

    def fill(self, mapping: FieldMapping, entry: OutboxEntry, situation: Situation) -> Filled:
        """Return what a mapping makes of one action."""
        around = self._given.around if self._given else None
        return mapping.fill(facts_of(entry.action, situation, around))

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Read the records that mappings are kept in."""
        return await self._require().records.read(work)

    def _compiled(
        self, tenant: TenantId, connector: Connector, layers: list[Mapping[str, str]]
    ) -> FieldMapping:
        held, of = self._held.get((tenant, connector.name)), (connector.kind, layers)
        if held is None or held[0] != of:
            held = (of, compiled(connector, *layers))
            self._held[tenant, connector.name] = held
        return held[1]

    def _require(self) -> MappingsGiven:
        if self._given is None:
            raise ConfigurationError(
                "Mappings cannot be saved here.", remedy="Start weft with its data folder."
            )
        return self._given


def compiled(connector: Connector, *layers: Mapping[str, str]) -> FieldMapping:
    """Check mappings over a connector's own fields, the later over the earlier."""
    merged: dict[str, str] = {}
    for layer in layers:
        merged |= layer
    return read_mapping(merged, connector.fields, more=connector.more_fields)

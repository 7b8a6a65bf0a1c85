"""Own connectors: those that a tenant's administrator sets up while Weft runs.

They stand in the records with their secrets sealed, are made at the start and again with
each change, and only their tenant knows of them. A secret is never shown again; it stays
when a change does not name it, and only while it goes where it went before. What waits for
a connector that is taken away stays in the outbox and says why.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final, Protocol

from msgspec import Struct, structs

from weft.connectors.base import Connector
from weft.connectors.described import Setting, has_table, settings_of
from weft.connectors.detaching import detach_all
from weft.connectors.mappings import MAPPINGS
from weft.connectors.own_places import moved_secrets, shown, system_of
from weft.connectors.own_secrets import OwnCredentials, SealedSecret, opening, seal
from weft.connectors.own_settings import (
    Offer,
    OfferedKind,
    OwnSettings,
    require_secrets,
    require_settings,
    secrets_of,
    table_with,
    with_tables,
)
from weft.connectors.own_uses import require_left, require_unused
from weft.connectors.registry import (
    KINDS,
    Configured,
    Connectors,
    Healths,
    close_in_time,
    make_one,
)
from weft.connectors.trials import Trials
from weft.connectors.unmade import Unmade
from weft.errors import (
    ConfigurationError,
    Conflict,
    ConnectorError,
    Invalid,
    NotFound,
    QuotaExceeded,
    StaleVersion,
    WeftError,
)
from weft.model.ids import TenantId, new_id, require_name
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Kind, Reader, Record, Records, Writer
from weft.security.audit import Audit
from weft.security.outbound import OutboundClient
from weft.security.secrets import Vault

log = get_logger(__name__)


class SavedConnector(Struct, frozen=True):
    """A connector of a tenant's own."""

    name: str
    kind: str
    settings: dict[str, Any]
    secrets: dict[str, SealedSecret]
    uid: str  # never used again after a delete: what was sealed for one opens in no other
    created_at: int
    updated_at: int
    updated_by: str
    version: int = 1
    place: str = ""  # of the system that it leads to: work orders belong to one place


class Wish(Protocol):
    """How a connector is to be. A secret that is None is forgotten; one left out stays."""

    @property
    def kind(self) -> str: ...  # noqa: D102  of those that are offered
    @property
    def settings(self) -> dict[str, Any]: ...  # noqa: D102  of the kind, without a secret
    @property
    def secrets(self) -> dict[str, str | None]: ...  # noqa: D102  by the name of their setting


class LastVersion(Struct, frozen=True):
    """The highest version that a deleted connector of a tenant had."""

    version: int


OWN_CONNECTORS: Final = Kind("own_connector", SavedConnector)
LAST_VERSIONS: Final = Kind("own_connector_last_version", LastVersion)
_LAST: Final = "last"  # one for all of a tenant's: versions go on behind it


@dataclass(frozen=True)
class OwnGiven:
    """What own connectors are kept in and made with; `outbound` reaches what tenants may."""

    records: Records
    audit: Audit
    clock: Clock
    vault: Vault
    connectors: Connectors
    outbound: OutboundClient


class OwnConnectors:
    """The connectors that tenants have set up."""

    def __init__(self, given: OwnGiven, settings: OwnSettings | None = None) -> None:
        self._given = given
        self._settings = settings or OwnSettings()
        self._offer = Offer(self._settings.plugins)
        self._trials = Trials(self._settings.test_timeout_s)
        given.connectors.test_own_with(self._trials)
        # Of each tenant: what is on disk last is what is in force.
        self._changing: defaultdict[TenantId, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def load(self) -> None:
        """Make all that are saved; one that cannot be made any more says so."""
        saved = await self._given.records.read(
            lambda reader: [
                (tenant, record.value)
                for tenant in reader.tenants(OWN_CONNECTORS)
                for record in reader.list(OWN_CONNECTORS, tenant, limit=1_000_000)
            ]
        )
        for tenant, one in saved:
            if self._given.connectors.is_configured(tenant, one.name):
                log.warning("own_connector_hidden", tenant=tenant, connector=one.name)
            await self._given.connectors.put_own(tenant, one.name, self._loaded(tenant, one))

    def _loaded(self, tenant: TenantId, one: SavedConnector) -> Configured:
        """Make what is saved; where it cannot be, what stands in its place says so."""
        why: WeftError
        try:
            return self._make(tenant, one)
        except (Invalid, ConnectorError) as error:
            log.error("own_connector_not_made", tenant=tenant, connector=one.name,
                      error=error.detail)  # fmt: skip
            why = error
        except Exception as error:  # foreign code at start: one record, not all of Weft
            log.exception("own_connector_not_made", tenant=tenant, connector=one.name)
            why = _surprise(one.kind, error)
        made = _configured(Unmade(one.name, one.kind, why), tenant, one)
        made.health.of(tenant).failed(self._given.clock.now(), f"It cannot be made: {why.detail}")
        return made

    def kinds(self) -> list[OfferedKind]:
        """Return what may be set up."""
        return self._offer.kinds()

    async def get(self, tenant: TenantId, name: str) -> SavedConnector:
        """Return what is saved of a connector, or raise `NotFound`."""
        found = await self._given.records.read(lambda r: r.find(OWN_CONNECTORS, tenant, name))
        if found is None:
            raise self._not_there(tenant, name)
        return found.value

    async def save(
        self,
        actor: Principal,
        name: str,
        wish: Wish,
        *,
        version: int | None = None,
        force: bool = False,
    ) -> SavedConnector:
        """Set a connector up, or change it; it is in force when this returns.

        Raise `Invalid` for what cannot be, `Conflict` where the configuration has the name, or
        (unless `force`) where it would lead to another system while work orders are open at
        this one, `StaleVersion` where `version` (0: none yet) is not that of what is saved.
        """
        given, tenant = self._given, actor.tenant
        require_name(name, "connector name")
        if given.connectors.is_configured(tenant, name):
            raise Conflict(
                f"The configuration of this Weft has a connector named {name!r} already.",
                remedy="Choose another name, or let the operator take that one out.",
            )
        await given.vault.add_tenant(tenant)
        async with self._changing[tenant]:
            before = await given.records.read(lambda r: r.find(OWN_CONNECTORS, tenant, name))
            saved = self._saved(actor, name, wish, before)
            if before is None:
                # Who read one that is deleted since names a version that no later one has.
                last = await given.records.read(lambda r: _last_version(r, tenant))
                saved = structs.replace(saved, version=last + 1)
            made = self._make(tenant, saved)

            def work(writer: Writer) -> None:
                _require_version(before, name, version)
                if before is None and writer.count(OWN_CONNECTORS, tenant) >= self._most:
                    raise QuotaExceeded(
                        f"The tenant has {self._most} connectors of its own.",
                        remedy="Delete those out of use; the operator may raise [own_connectors] "
                        "connectors_max.",
                    )
                writer.put(
                    OWN_CONNECTORS, tenant, name, saved, version=before.version if before else 0
                )
                if before is not None and before.value.place != saved.place:
                    self._leave(writer, tenant, before.value, force=force)
                self._note(writer, actor, "update" if before else "create", saved)

            try:
                await given.records.write(work)
            except BaseException:
                await close_in_time(made.connector)
                raise
            replaced = given.connectors.replace_own(tenant, name, made)
        await given.connectors.let_go(replaced)
        return saved

    async def delete(
        self, actor: Principal, name: str, *, version: int | None = None, force: bool = False
    ) -> None:
        """Take a connector away with its secrets and its mapping.

        While something names it or waits for it, raise `Conflict` that says what, unless
        `force`: it waits on then, and says why.
        """
        given, tenant = self._given, actor.tenant
        async with self._changing[tenant]:
            saved = await self.get(tenant, name)
            if version is not None and version != saved.version:
                raise _stale(name, saved.version, version)
            hidden = given.connectors.is_configured(tenant, name)

            def work(writer: Writer) -> None:
                if not force and not hidden:
                    require_unused(writer, tenant, name, saved.place)
                writer.delete(OWN_CONNECTORS, tenant, name)
                last = max(saved.version, _last_version(writer, tenant))
                writer.put(LAST_VERSIONS, tenant, _LAST, LastVersion(last))
                if not hidden:
                    writer.delete(MAPPINGS, tenant, name)
                self._leave(writer, tenant, saved, force=True)
                self._note(writer, actor, "delete", saved)

            await given.records.write(work)
            gone = given.connectors.replace_own(tenant, name, None)
        await given.connectors.let_go(gone)

    async def try_out(self, actor: Principal, wish: Wish, name: str = "") -> str:
        """Ask the far side something harmless with settings that are not saved.

        Secrets that are not given are those of the saved connector `name`. Return the answer
        in words, or raise `ConnectorError`, `Invalid` for what cannot be, or `RateLimited`.
        """
        given, tenant = self._given, actor.tenant
        await given.vault.add_tenant(tenant)
        before = None
        if name:
            before = await given.records.read(lambda r: r.find(OWN_CONNECTORS, tenant, name))
            if before is None:
                raise self._not_there(tenant, name)
        saved = self._saved(actor, name or "trial", wish, before)
        made = self._make(tenant, saved)
        target = f"connector:{name or '*'}"
        detail = {"kind": saved.kind, "url": shown(made.url)}

        async def ask() -> str:
            await given.audit.record(actor, "connector.try", target, detail=detail)
            return await made.connector.test()

        try:
            return await self._trials.run(tenant, ask)
        finally:
            await close_in_time(made.connector)

    @property
    def _most(self) -> int:
        return self._settings.connectors_max

    def _saved(
        self, actor: Principal, name: str, wish: Wish, before: Record[SavedConnector] | None
    ) -> SavedConnector:
        """Return what a wish makes of what there was; raise `Invalid`."""
        settings = settings_of(self._offer.settings_type(wish.kind))
        require_settings(settings, wish.settings)
        require_secrets(settings, wish.settings, wish.secrets)
        was = before.value if before else None
        if was is not None and was.kind != wish.kind:
            raise Invalid(
                f"{name!r} is of the kind {was.kind!r}, and stays so.",
                remedy="Set one up under another name: work orders of the one before belong to "
                "another system.",
            )
        now, uid = self._given.clock.now(), was.uid if was else new_id()
        secrets = _kept(settings, wish, was)
        for key, text in wish.secrets.items():
            if text is not None:
                sealed = seal(self._given.vault, (actor.tenant, uid), key, text.strip())
                secrets[key] = SealedSecret(sealed, now, str(actor))
        return SavedConnector(
            name=name,
            kind=wish.kind,
            settings=with_tables(wish.settings, secrets),
            secrets=secrets,
            uid=uid,
            created_at=was.created_at if was else now,
            updated_at=now,
            updated_by=str(actor),
            version=was.version + 1 if was else 1,
            place=was.place if was and self._stays(was, wish) else new_id(),
        )

    def _stays(self, was: SavedConnector, wish: Wish) -> bool:
        """Return whether settings lead to the system of before."""
        kind = self._offer.settings_type(wish.kind)
        return system_of(kind, was.settings) == system_of(kind, wish.settings)

    def _leave(
        self, writer: Writer, tenant: TenantId, before: SavedConnector, *, force: bool
    ) -> None:
        """Let go of the work orders at the system of before, or raise `Conflict`."""
        if not force:
            require_left(writer, tenant, before.name, before.place)
        why = f"{before.name} leads to this system no more: it is not followed there."
        held = (before.name, before.place)
        count = detach_all(writer, tenant, held, (why, self._given.clock.now()))
        if count:
            log.warning("work_orders_left", tenant=tenant, connector=before.name, count=count)

    def _make(self, tenant: TenantId, saved: SavedConnector) -> Configured:
        """Make the connector of what is saved, or raise `Invalid`."""
        given = self._given
        settings = settings_of(self._offer.settings_type(saved.kind))
        table = table_with(settings, saved.settings, list(saved.secrets))
        credentials = OwnCredentials(opening(given.vault, (tenant, saved.uid), saved.secrets))
        table |= {"kind": saved.kind, "tenants": [tenant]}
        try:
            outbound = given.outbound.asking_as(tenant)
            made = make_one(saved.name, table, outbound, credentials, given.clock)
        except ConfigurationError as error:
            detail = error.detail.replace(f"[connectors.{saved.name}]", "settings")
            raise Invalid(detail, remedy=error.remedy) from error
        except Exception as error:
            if saved.kind in KINDS:
                raise  # a bug of ours
            log.exception("own_connector_not_made", tenant=tenant, connector=saved.name)
            raise _surprise(saved.kind, error) from error
        made.own, made.place = True, saved.place
        return made

    def _note(self, writer: Writer, actor: Principal, verb: str, saved: SavedConnector) -> None:
        detail = {
            "kind": saved.kind,
            "url": shown(str(saved.settings.get("url", ""))),
            "sealed": sorted(saved.secrets),
            "version": saved.version,
        }
        target = f"connector:{saved.name}"
        self._given.audit.entry(writer, actor, f"connector.{verb}", target, detail=detail)

    def _not_there(self, tenant: TenantId, name: str) -> NotFound | Conflict:
        if self._given.connectors.is_configured(tenant, name):
            return Conflict(
                f"The connector {name!r} stands in the configuration of this Weft.",
                remedy="The operator changes it there; set up another beside it.",
            )
        return NotFound(f"No connector is named {name!r}.", remedy="See `weft connector list`.")


def _kept(
    settings: tuple[Setting, ...], wish: Wish, was: SavedConnector | None
) -> dict[str, SealedSecret]:
    """Return the secrets that stay; raise `Invalid` where they would go somewhere else."""
    if was is None:
        return {}
    place = secrets_of(settings, wish.settings)
    kept = {
        name: one
        for name, one in was.secrets.items()
        if name in place and name not in wish.secrets and has_table(name, wish.settings)
    }
    moved = moved_secrets(settings, was.settings, wish.settings)
    if kept and moved:
        raise Invalid(
            f"The address in {', '.join(moved)} is another, so what was sealed for the one before "
            "is not sent there.",
            remedy=f"Give these secrets again: {', '.join(kept)}.",
        )
    return kept


def _last_version(reader: Reader, tenant: TenantId) -> int:
    found = reader.find(LAST_VERSIONS, tenant, _LAST)
    return found.value.version if found else 0


def _require_version(before: Record[SavedConnector] | None, name: str, version: int | None) -> None:
    there = before.value.version if before else 0
    if version is not None and version != there:
        raise _stale(name, there, version)


def _stale(name: str, there: int, version: int) -> StaleVersion:
    return StaleVersion(
        f"The connector {name!r} is at version {there}, not {version}.",
        remedy="Read it again, and make your change to what it is now.",
    )


def _surprise(kind: str, error: Exception) -> Invalid:
    return Invalid(
        f"The kind {kind!r} failed when it was made of these settings ({type(error).__name__}).",
        remedy="Look through the settings; who runs Weft finds the reason in its log.",
    )


def _configured(connector: Connector, tenant: TenantId, saved: SavedConnector) -> Configured:
    return Configured(
        connector,
        frozenset({tenant}),
        str(saved.settings.get("url", "")),
        Healths(),
        own=True,
        place=saved.place,
    )
